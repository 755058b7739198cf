"""The conformance suite for formats: what file_cdk relies on, checked against a format of yours with pytest.

    from file_cdk.testing.format_conformance import FormatConformance

    class TestPairsFormat(FormatConformance):
        def make_format(self):
            return PairsFormat(PluginConfig(filetype="pairs"))

        def write(self, records):
            return "".join(f"id={record['id']};name={record['name']}\\n" for record in records).encode()

where PairsFormat is a Format; `write_spoiled` beside them has rejected records checked too.
"""

import gzip
import io
import multiprocessing
import pickle
import random
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from file_cdk.core.errors import FileError, TypeMismatchError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Format, SplitReport
from file_cdk.formats.unpacking import Unpacking
from file_cdk.testing.checks import error_of, require, wrong
from file_cdk.testing.format_reading import (
    FACES,
    MODIFIED_AT,
    Face,
    batches_of,
    ending_of,
    file_of,
    only_split,
    read_splits,
    read_whole,
    require_records,
    splits_of_size,
    table_schema,
)

_NAMES = ("pen", "żółć", "墨水", "ink " * 60 + "end")
_SPLIT_BYTES = (1, 2, 7, 64, 1000)
_DAMAGED_FILES = 60
_DAMAGE_TIMEOUT_S = 20
_ADDRESS_SPACE_BYTES = 4 << 30
_LARGE_BYTES = 8 << 20
_MAX_GROWTH_BYTES = 3 * _LARGE_BYTES // 2
"""Maximum growth of memory, in bytes: half of what a file four times as large has more. Allocators take some as they warm up,
and a format that holds a file takes all of it."""


def some_records(count: int) -> list[dict[str, Any]]:
    """Each with `id`, a whole number, and `name`, a text that is not empty, without punctuation and line ends."""
    return [{"id": number, "name": _NAMES[number % len(_NAMES)]} for number in range(1, count + 1)]


class FormatConformance:
    """Subclass it with a name that begins with `Test`, and say how a format is made and a file of it written.

    Checks of what a format does not offer are skipped and say so.
    """

    def make_format(self) -> Format:
        """A new one, configured."""
        raise NotImplementedError(f"{type(self).__name__} needs make_format")

    def write(self, records: Sequence[dict[str, Any]]) -> bytes:
        """A file of these records (see `some_records`), written by something else than the format that reads it. A format
        whose file has parts, such as row groups, is tested best with several of them."""
        raise NotImplementedError(f"{type(self).__name__} needs write")

    def write_spoiled(
        self,
        before: Sequence[dict[str, Any]],  # noqa: ARG002 - for who overrides it
        after: Sequence[dict[str, Any]],  # noqa: ARG002
    ) -> bytes | None:
        """A file with one record between these that cannot be read; None where damage always ends a file."""
        return None

    @pytest.mark.parametrize("face", FACES)
    def test_a_file_gives_its_records(self, face: Face) -> None:
        for count in (1, 20):
            records = some_records(count)
            found = read_whole(self.make_format(), self.write(records), face)
            require_records(found.records, records, f"a file of {count} records, read whole as {face},")

    def test_the_schemas_name_the_columns(self) -> None:
        file_format, data = self.make_format(), self.write(some_records(20))
        names = list(file_format.infer_json_schema(io.BytesIO(data), file_of(file_format, data)))
        require(sorted(names) == ["id", "name"], f"infer_json_schema names the columns {names}, not id and name")
        schema = table_schema(file_format, data)
        require(sorted(schema.names) == ["id", "name"], f"infer_table_schema names {schema.names}, not id and name")

    def test_columns_have_the_types_of_the_tables_schema(self) -> None:
        file_format, data = self.make_format(), self.write(some_records(20))
        schema = table_schema(file_format, data)
        for batch in file_format.read_table(
            io.BytesIO(data), only_split(file_of(file_format, data)), schema, SplitReport()
        ):
            for column in batch.schema:
                asked = schema.field(column.name).type
                require(column.type == asked, f"read_table gives {column.name!r} as {column.type}, asked for {asked}")

    def test_a_column_that_the_table_lacks_is_not_left_out(self) -> None:
        """The table would lose it without a word: TypeMismatchError has it added."""
        file_format, data = self.make_format(), self.write(some_records(20))
        schema = table_schema(file_format, data)
        asked = pa.schema([schema.field("id")])
        error = error_of(
            lambda: read_splits(file_format, data, [only_split(file_of(file_format, data))], "table", asked)
        )
        if not isinstance(error, TypeMismatchError):
            wrong(f"read_table with a schema without 'name': TypeMismatchError should be raised, not {error!r}")
        require("name" in error.columns, f"the TypeMismatchError has columns {list(error.columns)}, without 'name'")

    @pytest.mark.parametrize("split_bytes", _SPLIT_BYTES)
    @pytest.mark.parametrize("face", FACES)
    def test_splits_of_any_size_give_the_same_records(self, face: Face, split_bytes: int) -> None:
        records = some_records(20)
        self._require_split(face, split_bytes, records)

    @pytest.mark.parametrize("face", FACES)
    def test_splits_of_a_longer_file_give_the_same_records(self, face: Face) -> None:
        records = some_records(5_000)
        self._require_split(face, len(self.write(records)) // 3, records)

    def _require_split(self, face: Face, split_bytes: int, records: Sequence[dict[str, Any]]) -> None:
        file_format, data = self.make_format(), self.write(records)
        file = file_of(file_format, data)
        if file_format.facts.split_bytes is None:
            pytest.skip("the format reads each file as a whole")
        found = read_splits(file_format, data, splits_of_size(file, split_bytes), face, table_schema(file_format, data))
        require_records(found.records, records, f"a file in splits of {split_bytes} bytes, read as {face},")

    @pytest.mark.parametrize("face", FACES)
    def test_reading_twice_gives_the_same_batches(self, face: Face) -> None:
        """A worker that takes over from a dead one goes on after the batches that came out."""
        data = self.write(some_records(5_000))
        one, other = read_whole(self.make_format(), data, face), read_whole(self.make_format(), data, face)
        require(one == other, f"the same file read twice as {face} gives other batches the second time")

    @pytest.mark.parametrize("face", FACES)
    def test_a_compressed_file_gives_the_same_records(self, face: Face) -> None:
        """Through what unpacks, which cannot go back where the format says that it reads forward."""
        records = some_records(5_000)
        file_format = Unpacking(self.make_format())
        found = read_whole(file_format, gzip.compress(self.write(records)), face, f"a{ending_of(file_format.inner)}.gz")
        require_records(found.records, records, f"a file in gzip, read as {face},")

    @pytest.mark.parametrize("face", FACES)
    def test_rejects_are_counted(self, face: Face) -> None:
        records = some_records(6)
        file_format = self.make_format()
        data = self.write_spoiled(records[:2], records[2:])
        if data is None:
            pytest.skip("no record can be spoiled alone: write_spoiled gives None")
        file, schema = file_of(file_format, data), table_schema(file_format, self.write(records))
        sizes = [len(data), *(_SPLIT_BYTES if file_format.facts.split_bytes is not None else ())]
        for size in sizes:
            found = read_splits(file_format, data, splits_of_size(file, size), face, schema)
            what = f"a file with one spoiled record, in splits of {size} bytes, read as {face},"
            require_records(found.records, records, what)
            require(found.rejected == 1, f"{what} counts {found.rejected} rejects, not one")

    @pytest.mark.parametrize("damage", ["cut", "flipped"])
    def test_damage_is_an_error_of_the_file(self, damage: Literal["cut", "flipped"]) -> None:
        """Cut anywhere, or with one byte changed, a file is read to its end or refused by a FileError that names it; and its
        process lives on, or the format says that it may crash."""
        file_format, data = self.make_format(), self.write(some_records(20))
        faults = _faults_of_damage(_Damage(file_format, data, damage, table_schema(file_format, data)))
        require(not faults, f"{len(faults)} damaged files are read wrongly, the first: {next(iter(faults), '')}")

    def test_a_pickled_format_reads_the_same(self) -> None:
        data = self.write(some_records(20))
        for is_used in (False, True):
            file_format = self.make_format()
            if is_used:
                read_whole(file_format, data, "table")
            error = error_of(lambda file_format=file_format: pickle.dumps(file_format))  # type: ignore[misc]
            require(error is None, f"the format cannot be pickled, and so not be sent to a worker: {error}")
            there: Format = pickle.loads(pickle.dumps(file_format))
            for face in FACES:
                same = read_whole(there, data, face) == read_whole(file_format, data, face)
                require(same, f"a pickled format reads other {face} than the one that it was made from")

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        """Measured in processes of their own, over files of 8 and 32 MiB in the splits that the format wants. Parts of the
        file that are read as a whole, such as row groups, must not be larger in the larger one."""
        file_format = self.make_format()
        if file_format.facts.split_bytes is None:
            pytest.skip("the format reads each file as a whole")
        letters = random.Random(1)  # noqa: S311 - reproducible by design
        # Long records, for it is their bytes that count, and each one takes time.
        records = [
            {"id": number, "name": f"a{letters.getrandbits(16_000):x}"} for number in range(_LARGE_BYTES // 4_000)
        ]
        paths = [tmp_path / "small", tmp_path / "large"]
        for path, times in zip(paths, (1, 4), strict=True):
            path.write_bytes(self.write(records * times))
        for face in FACES:
            with _processes().Pool(1) as pool:
                growth_bytes: int = pool.apply(_growth_bytes, (file_format, face, paths))
            require(
                growth_bytes < _MAX_GROWTH_BYTES,
                f"a file four times as large, read as {face}, takes {growth_bytes >> 20} MiB more memory",
            )

    def test_the_extensions_are_endings_in_lower_case(self) -> None:
        extensions = getattr(self.make_format(), "extensions", None)
        if extensions is None:
            pytest.skip("the format has no extensions: its files are read where somebody names it")
        is_right = isinstance(extensions, tuple) and all(e.startswith(".") and e == e.lower() for e in extensions)
        require(bool(extensions) and is_right, f"extensions are a tuple such as ('.foo',), not {extensions!r}")


@dataclass(frozen=True, slots=True)
class _Damage:
    """What a process of its own reads damaged files by."""

    file_format: Format
    data: bytes
    damage: Literal["cut", "flipped"]
    schema: pa.Schema

    def damaged(self, number: int) -> tuple[str, bytes]:
        """How, in words, and the file."""
        if self.damage == "cut":
            at = len(self.data) * number // _DAMAGED_FILES
            return f"cut at byte {at}", self.data[:at]
        chance = random.Random(number)  # noqa: S311 - reproducible by design
        at = chance.randrange(len(self.data))
        changed = bytes([self.data[at] ^ chance.randrange(1, 256)])
        return f"with byte {at} changed", self.data[:at] + changed + self.data[at + 1 :]


@cache
def _processes() -> ForkServerContext:
    """Processes that need not import anew what all of them use."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _faults_of_damage(damage: _Damage) -> list[str]:
    faults: list[str] = []
    crashed: list[str] = []
    first = 0
    while first < _DAMAGED_FILES:
        here, there = multiprocessing.Pipe()
        process = _processes().Process(target=_read_damaged, args=(damage, first, there))
        process.start()
        there.close()
        try:
            while here.poll(_DAMAGE_TIMEOUT_S):
                fault = here.recv()
                first += 1
                if fault is not None:
                    faults.append(fault)
            faults.append(f"{damage.damaged(first)[0]}: neither read nor refused within {_DAMAGE_TIMEOUT_S} s")
            process.kill()
            first += 1
        except EOFError:
            if first < _DAMAGED_FILES:
                crashed.append(damage.damaged(first)[0])
                first += 1
                if not damage.file_format.facts.may_crash:
                    break
        finally:
            process.join()
            here.close()
    if crashed and not damage.file_format.facts.may_crash:
        faults.append(f"{crashed[0]}: the process ends, and may_crash is False")
    elif len(crashed) > _DAMAGED_FILES // 2:
        faults.append(f"{crashed[0]}: the process ends, as for {len(crashed)} of {_DAMAGED_FILES} files")
    return faults


def _read_damaged(damage: _Damage, first: int, there: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    for number in range(first, _DAMAGED_FILES):
        how, data = damage.damaged(number)
        there.send(next((f"{how}: {fault}" for fault in _faults(damage, data)), None))


def _faults(damage: _Damage, data: bytes) -> Iterator[str]:
    file_format, file = damage.file_format, file_of(damage.file_format, data)

    def read(face: Face) -> None:
        read_splits(file_format, data, [only_split(file)], face, damage.schema)

    calls: dict[str, Callable[[], object]] = {
        "infer_json_schema": lambda: file_format.infer_json_schema(io.BytesIO(data), file),
        "infer_table_schema": lambda: file_format.infer_table_schema(io.BytesIO(data), file),
        "read_records": lambda: read("records"),
        "read_table": lambda: read("table"),
    }
    for name, call in calls.items():
        try:
            error = error_of(call)
        except pytest.fail.Exception as failed:
            yield f"{name}: {failed}"
            continue
        if isinstance(error, MemoryError) and file_format.facts.may_crash:
            continue
        if error is not None and not isinstance(error, FileError):
            yield f"{name} raises {type(error).__name__} instead of a FileError: {error}"
        elif error is not None and error.uri != file.uri:
            yield f"{name} raises {type(error).__name__} with uri={error.uri!r} instead of {file.uri!r}"


def _growth_bytes(file_format: Format, face: Face, paths: Sequence[Path]) -> int:
    """How much more memory at its highest the last file takes than those before it."""
    peaks = [_peak_bytes(file_format, face, path) for path in paths]
    return peaks[-1] - peaks[-2]


def _peak_bytes(file_format: Format, face: Face, path: Path) -> int:
    """The process's memory at its highest once the file is read."""
    file = RemoteFile(f"{path.name}{ending_of(file_format)}", path.stat().st_size, MODIFIED_AT, "1")
    size_bytes = file_format.facts.split_bytes
    assert size_bytes is not None
    with path.open("rb") as stream:
        schema = file_format.infer_table_schema(stream, file)
        for split in splits_of_size(file, size_bytes):
            for _ in batches_of(file_format, stream, split, face, schema, SplitReport()):
                pass
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))
