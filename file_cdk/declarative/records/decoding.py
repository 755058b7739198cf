"""A decoder as a plan has it: what a body is unpacked from, what it is written in, and where in that the records are."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.selection import (
    CsvDecoder,
    Decoder,
    DpathExtractor,
    GzipDecoder,
    JsonDecoder,
    JsonItemsDecoder,
    JsonlDecoder,
    RecordSelector,
    ZipfileDecoder,
)
from file_cdk.declarative.http.holding import held, opened
from file_cdk.declarative.http.messages import Spilled
from file_cdk.declarative.records.bodies import BodyFormats, BodyReader
from file_cdk.declarative.records.cutting import Cut, Cutter, sorted_out
from file_cdk.declarative.records.large import cut_in_pieces
from file_cdk.declarative.records.looking import looked_at
from file_cdk.declarative.records.places import places
from file_cdk.declarative.records.scanning import QUICK
from file_cdk.declarative.templates import Template

Packing = Literal["gzip", "zip"]
_Leaf = JsonDecoder | JsonItemsDecoder | JsonlDecoder | CsvDecoder
_UTF8 = ("utf-8", "utf8")


class Decoding(msgspec.Struct, frozen=True):
    """packed: outermost first. reader: None for JSON. formats: None where answers are JSON alone, and held, however large.

    With a reader each of its records is a body, in which the cutter's path leads to records.
    """

    cutter: Cutter
    packed: tuple[Packing, ...] = ()
    reader: BodyReader | None = None
    formats: BodyFormats | None = None

    def bodies(self, body: bytes | Spilled) -> Iterator[bytes | Spilled]:
        """What it unpacks to, one after the other: itself where it is not packed. Files are the caller's to remove. Raises
        AnswerError for a damaged one."""
        return self._unpacked(body, self.packed)

    def _unpacked(self, body: bytes | Spilled, packed: tuple[Packing, ...]) -> Iterator[bytes | Spilled]:
        if not packed or not body:
            yield body
            return
        assert self.formats is not None
        if packed[0] == "gzip":
            with opened(body) as stream:
                yield from self._inside(held(self.formats.unpacked(stream)), packed[1:])
            return
        for member in self.formats.members(partial(opened, body), _size_bytes(body)):
            yield from self._inside(held(member), packed[1:])

    def _inside(self, body: bytes | Spilled, packed: tuple[Packing, ...]) -> Iterator[bytes | Spilled]:
        """What a body that was unpacked unpacks to in turn; of such, the file is removed here."""
        try:
            yield from self._unpacked(body, packed)
        finally:
            if packed and isinstance(body, Spilled):
                body.path.unlink(missing_ok=True)

    def pieces(self, body: bytes | Spilled) -> Iterator[Cut]:
        """The records of a body that is not packed any more. Raises AnswerError."""
        if self.reader is not None:
            for cut in self.reader.pieces(partial(opened, body), _size_bytes(body)):
                yield self._of_bodies(cut)
        elif isinstance(body, bytes):
            yield self.cutter.cut(body)
        elif self.formats is None:
            yield self.cutter.cut(body.path.read_bytes())
        else:
            yield from cut_in_pieces(body, self.cutter, self.formats.elements())

    def _of_bodies(self, cut: Cut) -> Cut:
        """Of a piece whose records are bodies. There is no answer that templates could look at."""
        if not self.cutter.path or not cut.records:
            return msgspec.structs.replace(cut, members={})
        values = [bytes(value) for record in cut.records for value in places(record, self.cutter.path, QUICK)]
        return sorted_out(values, QUICK, {})


def _size_bytes(body: bytes | Spilled) -> int:
    return len(body) if isinstance(body, bytes) else body.size_bytes


def decoding(
    selector: RecordSelector,
    decoder: Decoder | None,
    config: Mapping[str, Any],
    looks: Iterable[str],
    formats: BodyFormats | None,
    where: str,
) -> Decoding:
    """looks: templates that may look at the answer. Raises ConfigError for what is not known yet."""
    place = f"{where}.decoder"
    packed, leaf = _parted(decoder, place)
    path = _path(selector, config, where)
    if isinstance(leaf, JsonItemsDecoder):
        path = _items(leaf, path, place)
    names = looked_at(looks, "response")
    cutter = Cutter(path, names if names and path and path[0] not in names else ())
    is_json = isinstance(leaf, JsonDecoder | JsonItemsDecoder)
    if formats is None and (packed or not is_json):
        raise ConfigError(f"{place}: a {type(decoder).__name__} is not read here")
    reader = None
    if isinstance(leaf, CsvDecoder | JsonlDecoder) and formats is not None:
        reader = formats.reader(leaf, place)
    return Decoding(cutter, packed, reader, formats)


def _parted(decoder: Decoder | None, where: str) -> tuple[tuple[Packing, ...], _Leaf]:
    packed: list[Packing] = []
    each: Decoder = decoder or JsonDecoder()
    while isinstance(each, GzipDecoder | ZipfileDecoder):
        packed.append("gzip" if isinstance(each, GzipDecoder) else "zip")
        each = each.decoder
    if not isinstance(each, _Leaf):
        raise ConfigError(f"{where}: the decoder {type(each).__name__} is not supported yet")
    return tuple(packed), each


def _path(selector: RecordSelector, config: Mapping[str, Any], where: str) -> tuple[str, ...]:
    extractor = selector.extractor
    if not isinstance(extractor, DpathExtractor) or extractor.record_expander:
        kind = "RecordExpander" if isinstance(extractor, DpathExtractor) else type(extractor).__name__
        raise ConfigError(f"{where}: {kind} is not supported yet")
    scope = {"config": config, "parameters": extractor.parameters}
    templates = [Template(part, f"{where}.extractor.field_path") for part in extractor.field_path]
    path = tuple(str(template.value(scope)) for template in templates)
    if "**" in path:
        raise ConfigError(f"{where}: `**` in field_path may mean any place", remedy="Use `*` for each name that varies")
    return path


def _items(decoder: JsonItemsDecoder, path: tuple[str, ...], where: str) -> tuple[str, ...]:
    if decoder.encoding.lower() not in _UTF8:
        raise ConfigError(f"{where}: JSON is read as UTF-8, and not as {decoder.encoding!r}")
    if path:
        raise ConfigError(
            f"{where}: a JsonItemsDecoder finds the records, and field_path looks for others in them",
            remedy="Leave field_path empty, or use a JsonDecoder with the whole path",
        )
    if not decoder.items_path:
        raise ConfigError(f"{where}: items_path is empty")
    return tuple(decoder.items_path.split("."))
