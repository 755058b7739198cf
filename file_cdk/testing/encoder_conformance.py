"""The conformance suite for encoders: what file_cdk relies on, checked against an encoder of yours with pytest.

from file_cdk.testing.encoder_conformance import EncoderConformance

class TestShelfEncoder(EncoderConformance):
    def make_encoder(self):
        return ShelfEncoder()

    def rows(self, encoded):
        return shelf.read(encoded)
"""

import io
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.json_lines import JsonLines
from file_cdk.core.ports import Encoder

_ODD_TEXT = ["", " ", "a\nb\r\n", "a\"b'c\\", "\0\x1f\x7f", "żółć 🦆", "\u2028\ufeff\ufffd", '{"n":1},\n']

VALUES: dict[str, list[Any]] = {
    "booleans": [True, None, False],
    "integers": [-(2**63), None, 2**63 - 1],
    "doubles": [0.5, None, -1e300],
    "texts": [*_ODD_TEXT, None],
    "lists": [[1, 2], None, []],
    "structs": [{"a": 1, "b": "x"}, None, {"a": 2, "b": "y"}],
    "nothing": [None, None],
}
"""Values that Arrow and JSON both hold, by the kind of their column."""

ODD_NAMES = ("a b", "A b", 'quote"', "back\\slash", "line\nfeed", "ż🦆", "{", "data")
FILES = [RemoteFile(uri, 10, datetime(2024, 1, 2, tzinfo=UTC)) for uri in ("a", 'folder/ż"\\\n🦆', "half\udcff")]


class EncoderConformance:
    """Subclass it with a name that begins with `Test`, and say how an encoder is made and how its output is read."""

    takes_lines: ClassVar[bool] = True
    """Whether it encodes JsonLines; one that needs columns raises TypeError for them."""

    def make_encoder(self) -> Encoder:
        raise NotImplementedError(f"{type(self).__name__} needs make_encoder")

    def rows(self, encoded: bytes) -> list[dict[str, Any]]:
        """The records of a block: the columns that were put in, as Python values. A column that is null may be absent."""
        raise NotImplementedError(f"{type(self).__name__} needs rows")

    def numbers(self, encoded: bytes) -> list[int] | None:  # noqa: ARG002 - for an encoder that numbers rows
        """The number that each record of a block has in its split; None from an encoder that does not number them."""
        return None

    @pytest.mark.parametrize("kind", VALUES)
    def test_the_rows_that_go_in_come_out(self, kind: str) -> None:
        rows = [{"v": value, "last": index} for index, value in enumerate(VALUES[kind])]
        self._check(pa.RecordBatch.from_pylist(rows), rows)

    @pytest.mark.parametrize("kind", VALUES)
    def test_json_lines_give_the_same_as_columns(self, kind: str) -> None:
        rows = [{"v": value, "last": index} for index, value in enumerate(VALUES[kind])]
        lines = _lines(rows)
        if not self.takes_lines:
            with pytest.raises(TypeError):
                _encode(self.make_encoder(), lines)
            return
        self._check(lines, rows)
        self._check(JsonLines([b"{}", b"{ }", b'{"v":1 }']), [{}, {}, {"v": 1}])

    def test_odd_names_are_kept(self) -> None:
        rows = [dict.fromkeys(ODD_NAMES, 1), dict(zip(ODD_NAMES, range(9), strict=False))]
        self._check(pa.RecordBatch.from_pylist(rows), rows)
        if self.takes_lines:
            self._check(_lines(rows), rows)

    @pytest.mark.parametrize("file", FILES, ids=["plain", "odd", "no text"])
    def test_any_file_has_its_rows(self, file: RemoteFile) -> None:
        self._check(pa.RecordBatch.from_pylist([{"v": 1}, {"v": 2}]), [{"v": 1}, {"v": 2}], file)

    def test_batches_may_be_empty(self) -> None:
        batch = pa.RecordBatch.from_pylist([{"v": 1}, {"v": 2}])
        self._check(batch.slice(0, 0), [])
        self._check(batch.select([]), [{}, {}])
        if self.takes_lines:
            self._check(JsonLines([]), [])

    def test_a_slice_is_encoded_alone(self) -> None:
        rows = [{"v": text, "n": number} for number, text in enumerate(_ODD_TEXT)]
        self._check(pa.RecordBatch.from_pylist(rows).slice(2, 3), rows[2:5])

    def test_first_row_is_used(self) -> None:
        batch, encoder = pa.RecordBatch.from_pylist([{"v": 1}, {"v": 2}, {"v": 3}]), self.make_encoder()
        assert self.numbers(_encode(encoder, batch, first_row=7)) in ([7, 8, 9], None)

    def test_output_depends_on_the_arguments_alone(self) -> None:
        """Not on what was encoded before, nor on the process: a worker that died is replaced by another one."""
        batches = [pa.RecordBatch.from_pylist(rows) for rows in ([{"v": 1}, {"v": 2}], [{"v": "x", "w": [1]}])]
        encoder = self.make_encoder()
        first = [_encode(encoder, batch) for batch in batches]
        assert [_encode(encoder, batch) for batch in reversed(batches)] == first[::-1]
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            assert [pool.submit(_encode, encoder, batch).result() for batch in batches] == first

    def _check(
        self, batch: "pa.RecordBatch | JsonLines", rows: Sequence[dict[str, Any]], file: RemoteFile = FILES[0]
    ) -> None:
        encoder = self.make_encoder()
        encoded = _encode(encoder, batch, file)
        assert _present(self.rows(encoded)) == _present(rows)
        if encoder.line_oriented:
            lines = io.BytesIO(encoded).readlines()
            assert all(line.endswith(b"\n") for line in lines), "the last line has no line feed"
            assert len(lines) == len(rows), "a line is not a row"
            assert _present([row for line in lines for row in self.rows(line)]) == _present(rows)


def _encode(
    encoder: Encoder, batch: "pa.RecordBatch | JsonLines", file: RemoteFile = FILES[0], first_row: int = 1
) -> bytes:
    return bytes(encoder.encode(batch, file, first_row, 1_700_000_000_000))


def _lines(rows: Sequence[dict[str, Any]]) -> JsonLines:
    return JsonLines([json.dumps(row, ensure_ascii=False).encode() for row in rows])


def _present(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
