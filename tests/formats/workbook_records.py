"""Workbooks made in a test, read as the protocol has their records."""

import io
import json
from typing import Any

import pytest
from file_builders import URI, lines_of, whole

from file_cdk.core.config import ExcelConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.ports import Format, SplitReport
from file_cdk.formats.excel.format import ExcelFormat


def lines_read(
    data: bytes, uri: str = URI, report: SplitReport | None = None, fmt: Format | None = None
) -> list[bytes]:
    fmt = fmt or ExcelFormat(ExcelConfig())
    return list(lines_of(fmt.read_records(io.BytesIO(data), whole(data, uri), {}, report or SplitReport())))


def records_of(
    data: bytes, uri: str = URI, report: SplitReport | None = None, fmt: Format | None = None
) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_read(data, uri, report, fmt)]


def refusal_of(data: bytes, uri: str) -> str:
    """The words with which the workbook is refused; without a refusal the test fails."""
    with pytest.raises(MalformedFileError) as caught:
        records_of(data, uri)
    assert caught.value.uri == uri
    return str(caught.value)
