"""Workbooks made in a test, read as the protocol has their records."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from file_cdk.core.config import ExcelConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.excel.format import ExcelFormat


def records_of(data: bytes, uri: str, report: SplitReport | None = None) -> list[dict[str, Any]]:
    file = RemoteFile(uri, len(data), datetime(2024, 1, 2, tzinfo=UTC))
    lines: list[bytes] = []
    for batch in ExcelFormat(ExcelConfig()).read_records(
        io.BytesIO(data), Split(file, 0, 0, len(data)), {}, report or SplitReport()
    ):
        assert isinstance(batch, JsonLines)
        lines += batch.lines
    return [json.loads(line) for line in lines]


def refusal_of(data: bytes, uri: str) -> str:
    """The words with which the workbook is refused; without a refusal the test fails."""
    with pytest.raises(MalformedFileError) as caught:
        records_of(data, uri)
    assert caught.value.uri == uri
    return str(caught.value)
