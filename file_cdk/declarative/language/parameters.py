"""Types that were left out are filled in, and `$parameters` pushed down: from outside to inside, in the order of fields."""

from collections.abc import Mapping
from typing import Any

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.default_types import missing_type
from file_cdk.declarative.language.reading import MAX_DEPTH

PARAMETERS = "$parameters"
MAX_FIELDS = 300_000
"""Of all components, with the parameters that each has. A manifest of 60 KB has some 5,000."""
Parts = dict[str, Any]


def with_parameters(manifest: Parts, name: str) -> Parts:
    """Of a manifest without references. What is no component stays the same object. Raises ManifestError: `$parameters` that are
    no mapping, or that come to too much."""
    return _Pushing(name).component(manifest, {}, "", "")


class _Pushing:
    """Parameters that are components themselves are pushed into one another, so that a few of them could grow without end: the
    fields are counted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fields = 0
        self._depth = 0

    def component(self, raw: Parts, outer: Mapping[str, Any], holder: Any, field: str) -> Parts:
        """outer: the parameters from above. holder, field: the type of what it stands in, and as what."""
        made = dict(raw)
        if "type" not in made and (found := missing_type(holder, field, is_custom="class_name" in made)):
            made["type"] = found
        own = made.pop(PARAMETERS, {})
        if not isinstance(own, dict):
            raise ManifestError(f"`$parameters` of a {made.get('type', 'component')} are no mapping", uri=self.name)
        parameters = {**outer, **own}
        self._count(len(made) + len(parameters))
        kind = made.get("type")
        if kind == "object" or isinstance(kind, (list, dict)):
            return made  # a JSON Schema
        if "type" not in made:
            return self._group(made, parameters, holder, field)
        for key, value in parameters.items():
            made[key] = made.get(key) or value
        for key in list(made):
            self._field(made, key, parameters)
        if parameters:
            made[PARAMETERS] = parameters
        return made

    def _group(self, made: Parts, parameters: Mapping[str, Any], holder: Any, field: str) -> Parts:
        """A mapping that is no component may hold some, by names of its own."""
        for key, value in made.items():
            if isinstance(value, dict) and value.get("type"):
                made[key] = self._below(value, parameters, holder, field)
        return made

    def _field(self, made: Parts, key: str, parameters: Parts) -> None:
        """A parameter is not pushed into the field of its own name. One that is empty is gone after it."""
        value = made[key]
        if isinstance(value, dict):
            withheld = parameters.pop(key, None)
            made[key] = self._below(value, parameters, made["type"], key)
        elif isinstance(value, list):
            withheld = parameters.pop(key, None)
            is_parameter = withheld is value
            made[key] = [
                self._below(each, parameters, made["type"], key) if isinstance(each, dict) else each for each in value
            ]
            if is_parameter:
                withheld = made[key]  # and what stands below gets it so
        else:
            return
        if withheld:
            parameters[key] = withheld

    def _below(self, raw: Parts, parameters: Mapping[str, Any], holder: Any, field: str) -> Parts:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"is nested more than {MAX_DEPTH} deep")
        made = self.component(raw, parameters, holder, field)
        self._depth -= 1
        return made

    def _count(self, more: int) -> None:
        self._fields += more
        if self._fields > MAX_FIELDS:
            raise self._error(f"has more than {MAX_FIELDS:,} fields")

    def _error(self, message: str) -> ManifestError:
        remedy = "Let no parameter be a component that other parameters are pushed into"
        return ManifestError(f"{message}, `$parameters` written out", uri=self.name, remedy=remedy)
