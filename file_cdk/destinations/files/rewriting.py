"""Data files made of others: without some rows, with wider columns, or one of many. Of files of text, rows stay as they are."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from typing import Any

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.files import data
from file_cdk.destinations.files.data import DataWriter, batches_of, conformed, rows_of, schema_of, translating, written
from file_cdk.destinations.files.formats import TextFormat
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.text import (
    as_text,
    columns_of,
    records_of,
    url_in,
    url_of,
    values_of,
)


def with_rows_of(storage: Storage, path: str, new: str, urls: Sequence[str]) -> DataFile:
    """Of these files alone."""
    text = TextFormat.of(path)
    if text is None:
        return written(storage, new, schema_of(storage, path), rows_of(storage, path, urls))
    with _records(storage, path, text) as (header, records):
        wanted = set(urls)
        return _copied(storage, new, header, (each for each in records if url_of(url_in(each, text), text) in wanted))


def with_types(
    storage: Storage, path: str, new: str, wanted: pa.Schema, wider: Mapping[str, pa.DataType], *, always: bool = False
) -> DataFile | None:
    """With columns as `wanted`, of which some have wider types; None where it is as it should be, unless it is `always` to be
    written. In text, only what was a number in JSON changes."""
    text = TextFormat.of(path)
    if text is None:
        schema = schema_of(storage, path)
        fields = {each.name: each for each in wanted}
        target = pa.schema([fields.get(each.name, each) for each in schema])
        if target.equals(schema) and not always:
            return None
        return written(storage, new, target, (conformed([batch], target) for batch in batches_of(storage, path)))
    names = [name for name, kind in wider.items() if pa.types.is_string(kind) or pa.types.is_decimal(kind)]
    if text.is_csv or not names:
        return None
    with _records(storage, path, text) as (header, records):
        return _copied(storage, new, header, (as_text(each, names) for each in records))


def joined(storage: Storage, paths: Sequence[str], new: str) -> DataFile:
    """Of files that are alike."""
    text = TextFormat.of(paths[0])
    if text is None:
        batches = chain.from_iterable(batches_of(storage, path) for path in paths)
        return written(
            storage, new, schema_of(storage, paths[0]), (pa.Table.from_batches([batch]) for batch in batches)
        )
    with _records(storage, paths[0], text) as (header, _):
        return _copied(storage, new, header, _all_records(storage, paths, text))


def to_join(storage: Storage, small: Sequence[tuple[str, int]], target_bytes: int) -> Iterator[list[str]]:
    """small: paths and sizes in bytes. Gives paths of files that are alike, of up to target_bytes together."""
    alike: dict[tuple[Any, int], list[str]] = {}
    sizes: Counter[Any] = Counter()
    for path, size_bytes in small:
        kind = _likeness(storage, path), path.rpartition("/")[0]
        alike.setdefault((kind, sizes[kind] // target_bytes), []).append(path)
        sizes[kind] += size_bytes
    return (paths for paths in alike.values() if len(paths) > 1)


def _likeness(storage: Storage, path: str) -> Any:
    """The same of files that can be joined."""
    text = TextFormat.of(path)
    if text is None:
        return schema_of(storage, path)
    with _records(storage, path, text) as (header, _):
        return header


def rows_by_file(storage: Storage, path: str) -> list[tuple[str | None, int]]:
    """How many rows of each file there are; of a data file that is lost, none."""
    text = TextFormat.of(path)
    if text is None:
        return data.rows_by_file(storage, path)
    counts: dict[bytes, int] = {}
    try:
        with _records(storage, path, text) as (_, records):
            for each in records:
                cell = url_in(each, text)
                counts[cell] = counts.get(cell, 0) + 1
    except DestinationError as exc:
        if not isinstance(exc.__cause__, FileNotFoundError):
            raise
    return [(url_of(cell, text), count) for cell, count in counts.items()]


def is_lost(storage: Storage, path: str) -> bool:
    """Whether the data file is gone, or damaged so that none of its rows can be told."""
    text = TextFormat.of(path)
    if text is None:
        return data.is_lost(storage, path)
    try:
        with _records(storage, path, text) as (_, records):
            next(records, b"")
    except DestinationError as exc:
        if isinstance(exc.__cause__, FileNotFoundError):
            return True
        raise
    return False


def extremes(storage: Storage, path: str, column: str, kind: pa.DataType) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column of this type, and None where there are no values. None: not known."""
    text = TextFormat.of(path)
    if text is None:
        return data.extremes(storage, path, column)
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return None
    with _records(storage, path, text) as (header, records):
        first = next(records, None)
        names = columns_of(header, first, text)
        if first is None or column not in names:
            return None, None
        texts = (values_of(each, names, text)[column] for each in chain([first], records))
        values = [Decimal(each) for each in texts if each is not None]
    return (min(values), max(values)) if values else (None, None)


def _copied(storage: Storage, new: str, header: bytes, records: Iterator[bytes]) -> DataFile:
    """Where it cannot be had, nothing of it is left."""
    writer = DataWriter.of_text(storage, new, header)
    try:
        for record in records:
            writer.write_record(record)
        return writer.close()
    except BaseException:
        writer.abort()
        raise


def _all_records(storage: Storage, paths: Collection[str], text: TextFormat) -> Iterator[bytes]:
    for path in paths:
        with _records(storage, path, text) as (_, records):
            yield from records


@contextmanager
def _records(storage: Storage, path: str, text: TextFormat) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    with translating(storage, path), storage.open(path) as file, records_of(file, text) as found:
        yield found
