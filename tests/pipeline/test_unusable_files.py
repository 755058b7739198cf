"""`discover` and `check` where nothing of the files can be used: an error with the file, the cause and the remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk.core.errors import MalformedFileError
from file_cdk.pipeline.discovery import check, discover

UNUSABLE = {
    "text as JSON Lines": ("jsonl", b"no JSON\nnor this\n", "line is not valid JSON"),
    "JSON Lines cut in the first": ("jsonl", b'{"a": 1, "b": ', "not a complete JSON object"),
    "a header without a name": ("csv", b"a,,b\n1,2,3\n", "column 2 has no name"),
    "rows longer than the header": ("csv", b"a,b\n1,2,3\n4,5,6\n", "record has 3 values, the header names 2"),
    "rows shorter than the header": ("csv", b"a,b\n1\n", "record has 1 value"),
    "a first quote that is not closed": ("csv", b'a,b\n"1,2\n3,4\n', "never closed"),
    "Parquet without its footer": ("parquet", b"PAR1xxxxPAR1", "not a whole Parquet file"),
    "Avro that ends early": ("avro", b"Obj\x01zzz", "not a whole Avro file"),
    "text as Excel": ("excel", b"zzz", "no Excel workbook"),
}


def config(folder: Path, filetype: str, **stream: object) -> dict[str, Any]:
    return {
        "path": str(folder),
        "streams": [{"name": "s", "globs": ["**"], "format": {"filetype": filetype}, **stream}],
    }


def columns(folder: Path, filetype: str) -> list[str]:
    *_, line = discover(connector, config(folder, filetype))
    return list(json.loads(line)["catalog"]["streams"][0]["json_schema"]["properties"])[2:]


@pytest.mark.parametrize(("filetype", "content", "cause"), UNUSABLE.values(), ids=UNUSABLE)
def test_discover_and_check_name_file_cause_and_remedy(
    tmp_path: Path, filetype: str, content: bytes, cause: str
) -> None:
    (tmp_path / "bad.x").write_bytes(content)
    with pytest.raises(MalformedFileError) as raised:
        list(discover(connector, config(tmp_path, filetype)))
    message = str(raised.value)
    assert message.startswith("stream 's': ")
    assert "'bad.x'" in message
    assert cause in message
    assert message.endswith("Check that the stream's format is that of its files")

    *_, line = check(connector, config(tmp_path, filetype))
    status = json.loads(line)["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "'bad.x'" in status["message"]
    assert cause in status["message"]


def test_files_without_records_have_no_schema(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(MalformedFileError, match=r"'empty.jsonl', hold no records .* Give the stream an input_schema"):
        list(discover(connector, config(tmp_path, "jsonl")))
    assert list(discover(connector, config(tmp_path, "jsonl", input_schema='{"a": "string"}')))
    (tmp_path / "full.jsonl").write_bytes(b'{"a": 1}\n')
    assert columns(tmp_path, "jsonl") == ["a"]


def test_a_file_of_which_something_can_be_used_has_a_schema(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n1,2,3\n")
    assert columns(tmp_path, "csv") == ["a", "b"]
    (tmp_path / "a.csv").write_bytes(b"a,b\n")
    assert columns(tmp_path, "csv") == ["a", "b"]
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"b": ')
    assert columns(tmp_path, "jsonl") == ["a"]
    *_, line = check(connector, config(tmp_path, "jsonl"))
    assert json.loads(line)["connectionStatus"] == {"status": "SUCCEEDED"}
