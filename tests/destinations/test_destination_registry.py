"""Which destination a URL or path stands for."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import cast

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.destinations import registry
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.registry import destination_for


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sales.duckdb", "sales.duckdb"),
        ("data/sales.duckdb", "data/sales.duckdb"),
        ("{tmp}/sales.ddb", "{tmp}/sales.ddb"),
        ("duckdb:///sales.db", "sales.db"),
        ("duckdb:///data/sales", "data/sales"),
        ("duckdb:////{tmp}/sales.db", "{tmp}/sales.db"),
        ("duckdb:sales.db", "sales.db"),
        ("duckdb:{tmp}/sales.db", "{tmp}/sales.db"),
        ("DuckDB:///a b%20c.db", "a b%20c.db"),
        ("odd:name.duckdb", "odd:name.duckdb"),
    ],
)
def test_a_database_is_made_where_the_url_says(
    url: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "cwd"
    (work / "data").mkdir(parents=True)
    monkeypatch.chdir(work)
    destination = destination_for(url.format(tmp=tmp_path))
    destination.open()
    destination.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [work / place.format(tmp=tmp_path)]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgres://host", "postgres://user@host/database"),
        ("postgres://me@host/db?schema=", "?schema=NAME"),
        ("postgresql://me:secret@host/db?colour=red", "options such as schema="),
        ("snowflake://x.duckdb", "Installed are: duckdb"),
        ("sales.db", "write 'duckdb:sales.db'"),
        ("sqlite:", "sqlite:///name.sqlite"),
        ("sqlite://host/sales.db", "sqlite:///host/sales.db"),
        ("", "duckdb:"),
        ("duckdb:", "duckdb:///name.duckdb"),
        ("duckdb:///", "duckdb:///name.duckdb"),
        ("duckdb:///:memory:", "duckdb:///name.duckdb"),
        ("duckdb::memory:", "duckdb:///name.duckdb"),
        ("duckdb://sales.db", "duckdb:///sales.db"),
        ("duckdb://host/sales.db", "duckdb:///host/sales.db"),
        ("duckdb:///sales.db?threads=2", "options"),
    ],
)
def test_what_is_no_destination_is_refused_with_a_remedy(url: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        destination_for(url)
    assert remedy in str(caught.value)


def test_a_third_partys_scheme_gets_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    # DuckDBDestination keeps the path it is called with, so it serves as the third party's factory here.
    point = EntryPoint("acme", "file_cdk.destinations.duckdb:DuckDBDestination", registry.ENTRY_POINT_GROUP)
    shadow = EntryPoint("duckdb", "nowhere:Nothing", registry.ENTRY_POINT_GROUP)
    broken = EntryPoint("broken", "no.such.module:Thing", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point, shadow, broken])
    registry._third_party.cache_clear()
    try:
        destination = destination_for("ACME://warehouse/x")
        assert cast(DuckDBDestination, destination).path == "ACME://warehouse/x"
        assert cast(DuckDBDestination, destination_for("duckdb:///y.db")).path == "y.db"
        with pytest.raises(ConfigError, match="Reinstall"):
            destination_for("broken://x")
    finally:
        registry._third_party.cache_clear()


def test_importing_the_registry_imports_no_database() -> None:
    code = (
        "import sys, file_cdk.destinations.registry as r\n"
        "heavy = {'duckdb', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("package", "url", "remedy"),
    [
        ("duckdb", "x.duckdb", "duckdb"),
        ("psycopg", "postgres://me@host/db", "'file-cdk[postgres]'"),
        ("obstore", "s3://bucket/lake/", "'file-cdk[s3]'"),
        ("obstore", "az://container/lake/", "'file-cdk[azure]'"),
    ],
)
def test_a_missing_package_is_named(package: str, url: str, remedy: str) -> None:
    code = (
        "import sys\n"
        f"sys.modules['{package}'] = sys.modules['_{package}'] = None\n"
        "from file_cdk.core.errors import ConfigError\n"
        "from file_cdk.destinations.registry import destination_for\n"
        "try:\n"
        f"    destination_for('{url}')\n"
        "except ConfigError as exc:\n"
        f'    assert "pip install {remedy}" in str(exc), exc\n'
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
