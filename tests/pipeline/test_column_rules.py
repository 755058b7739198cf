"""Rules for columns and schema contracts in a sync, into DuckDB and SQLite."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_cdk import ConfigError, SyncOptions, sync
from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.config.columns import Contract
from file_cdk.core.errors import SchemaFrozenError
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.report import SyncResult

SALT = "pepper-that-nobody-may-see"
PEOPLE = "id,email,amount,note\n1,ann@x.org,1.50,secret-a\n2,bob@x.org,much,secret-b\n3,,2.25,\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILE_CDK_SALT", SALT)
    (tmp_path / "in").mkdir()


def load(rules: ColumnRules | None = None, to: str = "x.duckdb", source: str = "in", **options: Any) -> SyncResult:
    return sync(source, to, SyncOptions(stream="t", workers=0, columns=rules, **options))


def rows(to: str, query: str = "SELECT * FROM t") -> list[dict[str, Any]]:
    connection: Any = duckdb.connect(to) if to.endswith("duckdb") else sqlite3.connect(to)
    try:
        found = connection.execute(query)
        names = [each[0] for each in found.description]
        return [
            {name: value for name, value in zip(names, row, strict=True) if not name.startswith("_file")}
            for row in found.fetchall()
        ]
    finally:
        connection.close()


def digest(text: str) -> str:
    return hashlib.sha256((SALT + text).encode()).hexdigest()


RULES = ColumnRules(drop=["note"], cast={"amount": "decimal(10,2)"}, hash=["EMAIL"], rename={"email": "mail"})


@pytest.mark.parametrize("to", ["x.duckdb", "x.sqlite"])
def test_rules_apply_and_what_does_not_cast_is_a_reject(to: str) -> None:
    Path("in/a.csv").write_text(PEOPLE)

    result = load(RULES, to, max_rejects=MaxRejects(1)).streams[0]

    assert (result.rows, result.rejected) == (2, 1)
    found = rows(to)
    assert [list(row) for row in found] == [["id", "mail", "amount"]] * 2
    assert [(row["id"], row["mail"], str(row["amount"])) for row in found] == [
        (1, digest("ann@x.org"), "1.50"),
        (3, None, "2.25"),
    ]
    [reject] = rows(to, "SELECT row, byte_offset, reason, raw FROM _file_cdk_rejects")
    reason = "column 'amount' has a value that is not exactly of type decimal(10,2)"
    # Its text would show what is hashed and dropped.
    assert reject == {"row": 2, "byte_offset": PEOPLE.index("2,bob"), "reason": reason, "raw": None}


@pytest.mark.parametrize("to", ["x.duckdb", "x.sqlite"])
def test_no_salt_nor_hidden_value_is_in_any_output(to: str, capfd: pytest.CaptureFixture[str]) -> None:
    from file_cdk.cli.command import main

    Path("in/a.csv").write_text(PEOPLE)
    options = ["--drop", "note", "--hash", "email", "--cast", "amount=float", "--max-rejects", "9", "-v"]
    assert main(["sync", "in", "--to", to, *options, "--report", "summary.json"]) == 0

    seen = (
        b"".join(path.read_bytes() for path in Path().iterdir() if path.is_file())
        + "".join(capfd.readouterr()).encode()
    )
    assert digest("ann@x.org").encode() in seen
    for secret in (SALT, "ann@x.org", "bob@x.org", "secret-a", "secret-b"):
        assert secret.encode() not in seen


def test_a_value_that_casts_to_nothing_fails_its_file_without_max_rejects() -> None:
    Path("in/a.csv").write_text(PEOPLE)

    result = load(ColumnRules(cast={"amount": "float"}))

    assert result.streams[0].files_failed == 1
    assert "row 2" in str(result.failures[0])
    assert "much" not in str(result.failures[0])
    [reject] = rows("x.duckdb", "SELECT row, raw FROM _file_cdk_rejects")
    assert reject == {"row": 2, "raw": "2,bob@x.org,much,secret-b"}


def test_a_missing_salt_is_told_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FILE_CDK_SALT")
    Path("in/a.csv").write_text(PEOPLE)

    with pytest.raises(ConfigError, match="FILE_CDK_SALT"):
        load(ColumnRules(hash=["email"]))

    monkeypatch.setenv("OTHER", "o")
    assert load(ColumnRules(hash=["email"], salt="${OTHER}")).streams[0].rows == 3


def test_a_rule_for_a_column_that_no_file_has_names_the_nearest() -> None:
    Path("in/a.csv").write_text(PEOPLE)

    with pytest.raises(ConfigError, match=r"'emial'.*Did you mean 'email'"):
        load(ColumnRules(hash=["emial"]))
    assert load(ColumnRules(hash=["emial"], optional=["emial"])).streams[0].rows == 3


def test_a_rule_is_met_by_a_column_that_the_table_has() -> None:
    Path("in/a.csv").write_text(PEOPLE)
    load(ColumnRules(rename={"email": "mail"}))
    Path("in/b.csv").write_text("id\n4\n")

    assert load(ColumnRules(rename={"email": "mail"})).streams[0].rows == 1


def test_formats_give_the_same_hash() -> None:
    values = [{"k": 7, "x": 1.5}, {"k": None, "x": -0.0}]
    Path("in/a.csv").write_text("k,x\n7,1.50\n,0\n")
    Path("in/b.jsonl").write_text("".join(json.dumps(each) + "\n" for each in values))
    pq.write_table(pa.Table.from_pylist(values), "in/c.parquet")

    for file in ("a.csv", "b.jsonl", "c.parquet"):
        load(ColumnRules(hash=["k", "x"]), f"{file}.duckdb", f"in/{file}")
        expected = [{"k": digest("7"), "x": digest("1.5")}, {"k": None, "x": digest("0")}]
        assert rows(f"{file}.duckdb") == expected, file


def test_rules_of_folders_and_of_a_configuration() -> None:
    for year in ("2023", "2024"):
        (Path("in") / f"year={year}").mkdir()
        Path(f"in/year={year}/a.csv").write_text(f"id,k\n{year},a\n")
    assert load(ColumnRules(rename={"year": "y"}, cast={"year": "integer"}, select=["id", "year"])).streams[0].rows == 2
    assert rows("x.duckdb", "SELECT * FROM t ORDER BY id") == [{"id": 2023, "y": 2023}, {"id": 2024, "y": 2024}]

    Path("c.yaml").write_text(
        "path: in\nstreams:\n- name: t\n  globs: ['**/*.csv']\n  format: {filetype: csv}\n"
        "  columns: {hash: [k], salt: '${FILE_CDK_SALT}'}\n  schema_contract: {columns: freeze, types: discard}\n"
    )
    sync("c.yaml", "y.duckdb", SyncOptions(workers=0))
    assert rows("y.duckdb", "SELECT k FROM t") == [{"k": digest("a")}] * 2

    Path("c.yaml").write_text(Path("c.yaml").read_text().replace("${FILE_CDK_SALT}", SALT))
    with pytest.raises(ConfigError) as refused:
        sync("c.yaml", "y.duckdb", SyncOptions(workers=0))
    assert SALT not in str(refused.value)


def test_new_rules_make_the_table_grow() -> None:
    Path("in/a.csv").write_text("id,k\n1,5\n")
    load()
    Path("in/b.csv").write_text("id,k\n2,6\n")
    load(ColumnRules(hash=["k"], rename={"id": "key"}))

    assert rows("x.duckdb", "SELECT * FROM t ORDER BY id") == [
        {"id": 1, "k": "5", "key": None},
        {"id": None, "k": digest("6"), "key": 2},
    ]


# Contracts


def contract(columns: Contract = "evolve", types: Contract = "evolve", **by_column: Contract) -> SchemaContract:
    return SchemaContract(columns=columns, types=types, by_column=by_column)


def first_then(first: str, then: str, limits: SchemaContract, **options: Any) -> SyncResult:
    Path("in/a.csv").write_text(first)
    load(contract=limits)
    Path("in/b.csv").write_text(then)
    return load(contract=limits, **options)


@pytest.mark.parametrize(
    ("then", "column", "was", "needed"),
    [("id,k\n2,x\n", "k", "int64", "string"), ("id,k,new\n2,3,4\n", "new", None, "int64")],
)
def test_a_frozen_table_takes_nothing_of_a_file_that_would_change_it(
    then: str, column: str, was: str | None, needed: str
) -> None:
    result = first_then("id,k\n1,1\n", then, contract("freeze", "freeze"))

    assert result.streams[0].files_failed == 1
    [error] = result.failures
    assert isinstance(error, SchemaFrozenError)
    assert (error.column, error.was, error.needed, error.uri) == (column, was, needed, "b.csv")
    assert rows("x.duckdb") == [{"id": 1, "k": 1}]
    [failed] = rows("x.duckdb", "SELECT rows FROM _file_cdk_files WHERE url = 'b.csv'") or [{"rows": None}]
    assert not failed["rows"]


def test_a_frozen_column_fails_alone() -> None:
    limits = contract(k="freeze")
    result = first_then("id,k\n1,1\n", "id,k\nx,2\n", limits)
    assert result.streams[0].files_failed == 0
    assert [row["id"] for row in rows("x.duckdb")] == ["1", "x"]


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    rest = "".join(f"{n},{n},n{n}\n" for n in range(10, 20))
    result = first_then(
        "id,k\n1,1\n",
        f"id,k,new\n2,x,\n3,007,b\n4,4,c\n{rest}",
        contract("discard", "discard"),
        max_rejects=MaxRejects(2),
    ).streams[0]

    assert (result.rows, result.rejected, result.files_failed) == (11, 2, 0)
    assert [row["k"] for row in rows("x.duckdb")] == [1, 4, *range(10, 20)]
    assert [list(row) for row in rows("x.duckdb")] == [["id", "k"]] * 12
    reason = "column 'k' has a value that its type in the table, int64, does not hold"
    assert rows("x.duckdb", "SELECT row, reason, raw FROM _file_cdk_rejects ORDER BY row") == [
        {"row": 1, "reason": reason, "raw": "2,x,"},
        {"row": 2, "reason": reason, "raw": "3,007,b"},
    ]


def test_a_column_left_out_is_told_of_once_a_file() -> None:
    from file_cdk.pipeline.tables.report import Silence

    told: list[str] = []

    class Watcher(Silence):
        def warned(self, message: str) -> None:
            told.append(message)

    Path("in/a.csv").write_text("id\n1\n")
    load()
    Path("in/b.csv").write_text("id,new\n2,\n3,4\n5,6\n")
    sync("in", "x.duckdb", SyncOptions(stream="t", workers=0, contract=contract("discard")), Watcher())

    [message] = [message for message in told if "'new'" in message]
    assert "'b.csv'" in message
    assert "2 records" in message


def test_a_new_table_is_made_under_any_contract() -> None:
    many = "".join(f"{n}\n" for n in range(300_000))
    Path("in/a.csv").write_text(f"id\n{many}1.5\n")

    assert load(contract=contract("freeze", "freeze")).streams[0].rows == 300_001


@pytest.mark.parametrize("options", [{}, {"all_text": True}])
def test_parquet_columns_that_are_dropped_are_not_decoded(options: Any) -> None:
    table = pa.table({"id": [1, 2], "doc": ["x" * 50, "y" * 50]})
    pq.write_table(table, "in/a.parquet", use_dictionary=False, compression="none", write_page_checksum=True)
    data = Path("in/a.parquet").read_bytes()
    Path("in/a.parquet").write_bytes(data.replace(b"x" * 50, b"z" * 50))  # its checksum is wrong now

    assert load(to="all.duckdb").streams[0].files_failed == 1
    assert load(ColumnRules(select=["id"]), **options).streams[0].rows == 2
