"""`file-cdk schema --as sql --for postgres` next to the table that a sync makes."""

from pathlib import Path

import psycopg
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.destinations.definitions import Definition
from file_cdk.pipeline.tables.exploring import explorations_of
from file_cdk.testing.servers.postgres import PostgresServer

COLUMNS = "SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns WHERE table_name = %s"


def test_the_statement_makes_the_table_of_a_sync(postgres_server: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "Kinds.jsonl").write_text(
        '{"i":1,"f":1.5,"t":"x","at":"2024-01-01T00:00:00Z","o":{"a":[1]},"n":null,"b":true,"xmin":1,"'
        + "é" * 40
        + '":2}\n'
    )
    source, name = str(tmp_path / "Kinds.jsonl"), postgres_server.create_database()
    url = postgres_server.url(name)
    sync(source, url, SyncOptions(workers=0))
    [definition] = [each.definition for each in explorations_of(source, SyncOptions(workers=0), "postgres")]
    with psycopg.connect(url) as made:
        expected = made.execute(COLUMNS, ["Kinds"]).fetchall()
        made.execute('DROP TABLE "Kinds"')
        made.execute(definition.statement("Kinds").encode())
        assert made.execute(COLUMNS, ["Kinds"]).fetchall() == expected
        made.rollback()
    assert len(expected) == len(definition.types) + 3


@pytest.mark.parametrize("database", ["duckdb", "postgres", "sqlite"])
def test_a_table_without_columns_has_those_of_its_rows(database: str) -> None:
    assert [column.name for column in Definition(database).columns()] == ["_file_url", "_file_modified_at", "_file_row"]
