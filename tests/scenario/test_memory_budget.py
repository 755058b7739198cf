"""A budget of memory changes how a run works and nothing of what comes out."""

from pathlib import Path

import pytest
from commands import local_config, query, run, start, sync, write_json

pytestmark = pytest.mark.scenario

ROWS = 300_000


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Larger than what is read without worker processes, and than what a small budget has waiting."""
    folder = tmp_path_factory.mktemp("memory") / "orders"
    folder.mkdir()
    for part in range(2):
        with (folder / f"{part}.csv").open("w") as file:
            file.write("id,name,price,note\n")
            file.writelines(f"{part * ROWS + row},item {row % 977},{row / 7:.3f},n{row}\n" for row in range(ROWS))
    return folder


def test_a_sync_within_a_budget_gives_the_same_table(orders: Path, tmp_path: Path) -> None:
    tables = []
    for name, options in (
        ("free", []),
        ("small", ["--memory", "330MB"]),
        ("thread", ["--memory", "256MB"]),
        ("alone", ["--memory", "0.3GB", "--workers", "0"]),
    ):
        database = tmp_path / f"{name}.duckdb"
        done = sync(orders, "--to", database, *options)
        assert done.returncode == 0, done.stderr
        tables.append(query(database, "select count(*), sum(hash(t)), sum(hash(t) * rowid) from orders t"))
        assert query(database, "select count(*), min(id), max(id) from orders") == [(2 * ROWS, 0, 2 * ROWS - 1)]
    assert tables[1:] == tables[:1] * 3


def test_a_read_within_a_budget_gives_the_same_bytes(orders: Path, tmp_path: Path) -> None:
    config = write_json(tmp_path / "config.json", local_config(orders.parent, orders="csv"))
    stream = {"name": "orders", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog = write_json(tmp_path / "catalog.json", {"streams": [chosen]})
    outputs = []
    for budget in ("", "115MB"):
        done = start("source-local", "read", "--config", config, "--catalog", catalog, FILE_CDK_MEMORY=budget)
        assert done.returncode == 0, done.stderr
        records = [line.partition('"emitted_at"')[0] for line in done.stdout.splitlines() if '"RECORD"' in line]
        assert len(records) == 2 * ROWS
        outputs.append(records)
    assert outputs[0] == outputs[1]


def test_too_small_a_budget_is_said_before_anything_is_opened(orders: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.duckdb"
    done = sync(orders, "--to", database, "--memory", "64MB")
    assert done.returncode == 2
    assert "a memory budget of 64,000,000 bytes is too small: at least" in done.stderr
    assert "Give --memory" in done.stderr
    assert not database.exists()
    assert run("file-cdk", "sync", orders, "--to", database, FILE_CDK_MEMORY="64MB").returncode == 2
    wrong = sync(orders, "--to", database, "--memory", "lots")
    assert wrong.returncode == 2
    assert "'lots' is not a size, such as 512MB" in wrong.stderr
