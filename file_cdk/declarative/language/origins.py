"""From a path in the resolved manifest back to where it was written: through references and parameters."""

from collections.abc import Iterator, Sequence
from typing import Any

from file_cdk.declarative.language.parameters import PARAMETERS
from file_cdk.declarative.language.reading import Document, Place
from file_cdk.declarative.language.references import REF, is_reference, target


class Origins:
    """Of a document that was read with its places, and whose references all lead somewhere."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def place(self, path: Sequence[str | int]) -> Place:
        """Of the key or item that the path ends with; of the nearest above it where that was filled in."""
        at: Any = self.document.value
        place: Place = (1, 1)
        above: list[dict[str, Any]] = []
        for step in path:
            holder = self._holder(at, step, above)
            if holder is None:
                return place
            place = self.document.places.get(id(holder), {}).get(step, place)
            at = holder[step]
        return place

    def _holder(self, at: Any, step: str | int, above: list[dict[str, Any]]) -> Any:
        """The mapping or list where the step is written; with the mappings gone through noted in `above`."""
        for each in self._written_out(at):
            if isinstance(each, list):
                return each if isinstance(step, int) and step < len(each) else None
            above.append(each)
            if step in each:
                return each
        for each in reversed(above):
            parameters = next((one for one in self._written_out(each.get(PARAMETERS)) if step in one), None)
            if isinstance(parameters, dict):
                return parameters
        return None

    def _written_out(self, value: Any) -> Iterator[Any]:
        """The mapping or list, and those that it refers to, nearest first."""
        while True:
            if is_reference(value):
                value = target(self.document.value, value)
            elif isinstance(value, dict):
                yield value
                if REF not in value:
                    return
                value = value[REF]
            else:
                if isinstance(value, list):
                    yield value
                return
