"""How many cells of an .xlsx sheet hold a value, told by the XML parser alone: what the slower parser gives is held against it.

openpyxl passes over cells that are not in order, stand twice, or lie where it does not look for them, and takes a negative
number of a shared text for one counted from the end.
"""

from xml.parsers import expat

from file_cdk.formats.excel_container import Container, Part

_BOOLEANS = ("0", "1", "true", "false")


class _Counter:
    def __init__(self) -> None:
        self.values = 0
        self.wrong = 0
        self._kind = ""
        self._text = ""
        self._listens = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "c":
                self._kind, self._text = attributes.get("t", "n"), ""
            case "v" | "t":
                self._listens = True
            case "rPh" | "f":
                self._listens = False

    def end(self, name: str) -> None:
        match _local(name):
            case "v" | "t":
                self._listens = False
            case "c":
                self.values += bool(self._text)
                wrong = self._kind == "s" and not self._text.strip().isdecimal()
                wrong = wrong or (self._kind == "b" and self._text.strip() not in _BOOLEANS)
                self.wrong += wrong and bool(self._text)

    def text(self, text: str) -> None:
        if self._listens:
            self._text += text


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def cells_with_values(container: Container, part: Part) -> int | None:
    """None when a cell has a boolean or a shared text's number that is none, or the part is no well-formed XML."""
    counter = _Counter()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = counter.start, counter.end
    parser.CharacterDataHandler = counter.text
    try:
        for piece in container.inflate(part):
            parser.Parse(piece)
        parser.Parse(b"", True)
    except expat.ExpatError:
        return None
    return None if counter.wrong else counter.values
