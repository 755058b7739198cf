"""Filetypes and file endings find their format, and nothing is imported before it is needed."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from file_cdk.core.config import CsvConfig, JsonlConfig, ParquetConfig, PluginConfig, StreamConfig
from file_cdk.core.errors import ConfigError
from file_cdk.core.formats import BUILT_IN, FILETYPES
from file_cdk.formats import registry

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "formats.md"
STREAM = StreamConfig(name="s", format=JsonlConfig())


def built_in(found: Any) -> Any:
    """The format inside of what unpacks files and adds columns from their paths."""
    while hasattr(found, "inner"):
        found = found.inner
    return found


@pytest.mark.parametrize("config", [JsonlConfig(), ParquetConfig(decimal_as_float=True), CsvConfig(delimiter=";")])
def test_a_config_finds_its_format(config: JsonlConfig | ParquetConfig | CsvConfig) -> None:
    found = built_in(registry.format_for(config, STREAM))
    assert type(found).__module__.startswith(f"file_cdk.formats.{config.filetype}")
    assert found.config == config


def test_a_filetype_without_format_is_a_config_error_that_names_the_others() -> None:
    with pytest.raises(ConfigError) as caught:
        registry.format_for(PluginConfig(filetype="xml"), STREAM)
    assert str(caught.value).startswith(
        "format 'xml' is not supported by this version. Supported formats: csv, jsonl, parquet, avro, excel"
    )


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("a/b.csv", "csv"),
        ("b.TSV", "tsv"),
        ("b.jsonl", "jsonl"),
        ("b.x.NDJSON", "jsonl"),
        ("b.json", "jsonl"),
        ("k=v.csv/part-0.parquet", "parquet"),
        ("b.pq", "parquet"),
        ("b.parq", "parquet"),
        ("b.csv.gz", "csv"),
        ("c.zip!x/b.CSV", "csv"),
        ("b.gz", None),
        ("a.csv/b", None),
        ("csv", None),
        ("b.avro", "avro"),
        ("b.xlsx", "excel"),
    ],
)
def test_the_ending_of_a_file_says_what_it_is(uri: str, kind: str | None) -> None:
    assert registry.kind_of(uri) == kind
    assert registry.kinds_of([uri, f"x.y.{uri}"]) == {kind, registry.kind_of(f"x.y.{uri}")}
    assert registry.kinds_of([uri, f"{uri}/a.csv", "b.tsv"]) == {kind, "csv", "tsv"}


@pytest.mark.parametrize(
    ("named", "config"),
    [
        ("csv", CsvConfig()),
        ("TSV", CsvConfig(delimiter="\t")),
        (".ndjson", JsonlConfig()),
        ("pq", ParquetConfig()),
        ("unstructured", None),
        ("xml", None),
    ],
)
def test_a_name_or_an_extension_gives_a_configuration(named: str, config: Any) -> None:
    assert registry.default_config(named) == config


def test_every_row_of_the_table_is_a_format() -> None:
    for filetype in FILETYPES:
        if BUILT_IN[filetype].place is not None:
            config = registry.default_config(filetype)
            assert config is not None
            assert config.filetype == filetype
            assert built_in(registry.format_for(config, STREAM)).config == config


def test_the_guide_lists_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {filetype: tuple(re.findall(r"`(\.\w+)`", names)) for filetype, names in rows}
    extensions: dict[str, tuple[str, ...]] = {}
    for kind, row in BUILT_IN.items():
        if row.place is not None:
            filetype = row.variant_of or kind
            extensions[filetype] = extensions.get(filetype, ()) + row.extensions
    assert list(listed.items()) == list(extensions.items())


def test_importing_the_registry_imports_no_format() -> None:
    code = "import sys, file_cdk.formats.registry as r; r.kind_of('a.parquet'); print('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_jsonl_records_need_no_pyarrow() -> None:
    code = (
        "import sys; from file_cdk.core.config import JsonlConfig, StreamConfig\n"
        "from file_cdk.formats.registry import format_for\n"
        "format_for(JsonlConfig(), StreamConfig(name='s', format=JsonlConfig())); print('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@dataclass(frozen=True)
class LinesConfig:
    filetype: str


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a format of its own, which also claims the name of a built-in one."""
    (tmp_path / "lines_format.py").write_text(
        "class LinesFormat:\n"
        "    extensions = ('.lines',)\n"
        "    def __init__(self, config):\n"
        "        self.config = config\n"
    )
    info = tmp_path / "lines_format-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lines-format\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[file_cdk.formats]\nlines = lines_format:LinesFormat\ncsv = lines_format:LinesFormat\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.forget_installed()
    yield
    registry.forget_installed()
    sys.modules.pop("lines_format", None)


@pytest.mark.usefixtures("third_party")
def test_an_installed_package_adds_a_format_by_its_entry_point() -> None:
    config: Any = LinesConfig("lines")
    found = built_in(registry.format_for(config, STREAM))
    assert (type(found).__name__, found.config) == ("LinesFormat", config)
    assert registry.kind_of("a/b.LINES.gz") == "lines"
    assert registry.kinds_of(["a/b.LINES.gz", "c.csv", "b", "lines"]) == {"lines", "csv", None}
    assert registry.default_config("Lines") == PluginConfig(filetype="lines")
    assert registry.kinds()[-1] == "lines"


@pytest.mark.usefixtures("third_party")
def test_an_entry_point_cannot_take_over_a_built_in_format(caplog: pytest.LogCaptureFixture) -> None:
    assert type(built_in(registry.format_for(CsvConfig(), STREAM))).__name__ == "CsvFormat"
    assert caplog.messages == [], "built-in formats alone are asked for, so nobody looks for others"
    assert "csv" in registry.kinds()
    (warning,) = caplog.messages
    assert warning.startswith("format 'csv' of lines_format:LinesFormat is not used: a built-in format has that name.")


@pytest.mark.usefixtures("third_party")
def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "lines_format.py").write_text("import no_such_module_anywhere\n")
    config: Any = LinesConfig("lines")
    with pytest.raises(ConfigError, match="format 'lines' cannot be loaded from 'lines_format:LinesFormat'"):
        registry.format_for(config, STREAM)


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    "fault", ["import no_such_module_anywhere\n", "raise ValueError('too old a Python')\n", "no code\n"]
)
def test_a_package_that_cannot_be_imported_recognises_no_file(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lines_format.py").write_text(fault)
    caplog.set_level(logging.WARNING)
    assert [registry.kind_of(uri) for uri in ("a.csv", "a.lines", "b.lines")] == ["csv", None, None]
    told = [message for message in caplog.messages if "'lines'" in message]
    assert len(told) == 1
    assert told[0].startswith("format 'lines' cannot be loaded from 'lines_format:LinesFormat'")
