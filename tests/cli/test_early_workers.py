"""Worker processes start while a connector is imported, unless there will be nothing for them to do."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk.cli.connector import run_connector


@pytest.mark.parametrize(
    ("method", "started"),
    [
        (None, [["csv"]]),
        ({"delivery_type": "use_records_transfer"}, [["csv"]]),
        ("use_file_transfer", [["csv"]]),  # refused, once it is validated
        ({"delivery_type": "use_file_transfer"}, []),
    ],
)
def test_only_where_records_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any, started: list[list[str]]
) -> None:
    asked: list[list[str]] = []

    def start_early(filetypes: Iterable[str], _: int | None) -> None:
        asked.append(list(filetypes))

    monkeypatch.setattr("file_cdk.pipeline.execution.start_early", start_early)
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    config: dict[str, Any] = {"path": str(tmp_path), "streams": [{"name": "s", "format": {"filetype": "csv"}}]}
    if method is not None:
        config["delivery_method"] = method
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text('{"streams": []}')
    with pytest.raises(SystemExit):
        run_connector(
            connector, ["read", "--config", f"{tmp_path}/config.json", "--catalog", f"{tmp_path}/catalog.json"]
        )
    assert asked == started


def test_nothing_large_is_imported_before_them() -> None:
    program = (
        "import sys; import file_cdk.cli.connector, file_cdk.pipeline.execution\n"
        "print([m for m in ('pyarrow', 'wcmatch', 'email', 'importlib.metadata') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
