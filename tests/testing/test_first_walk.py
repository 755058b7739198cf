"""A new user's first walk on a terminal: a bucket with five kinds of files, a configuration that nobody edits, two syncs, a file
that breaks, and one that is mended. The numbers agree at each step, on the screen and in the database."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import termios
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import warm
import xlsxwriter

from file_cdk.testing.servers.seaweedfs import SeaweedFS

ROWS = {"orders": 5, "events": 3, "stock": 2, "users": 2, "prices": 2}
ORDERS = b"id;item;price\n3;quince;4,00\n4;medlar;0,50\n5;sloe;1,25\n"
BROKEN = b"id;item;price\n3;quince;4,00\n4;medlar;0,50;what is this\n5;sloe;1,25\n"


def files() -> dict[str, bytes]:
    parquet, avro, workbook = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table({"item": ["apple", "pear"], "pieces": [3, None]}), parquet)
    schema = {"type": "record", "name": "user", "fields": [{"name": "user", "type": "string"}]}
    fastavro.writer(avro, fastavro.parse_schema(schema), [{"user": "ada"}, {"user": "bob"}])
    with xlsxwriter.Workbook(workbook) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([("item", "cost"), ("apple", 1.5), ("pear", 2)]):
            sheet.write_row(row, 0, cells)
    return {
        "orders/2024-01.csv": b"id;item;price\n1;apple;1,50\n2;pear;2,25\n",
        "orders/2024-02.csv": ORDERS,
        "events/day=2024-02-01/1.jsonl": b'{"event":"start","user":"ada"}\n{"event":"end","user":"ada"}\n',
        "events/day=2024-02-02/1.jsonl": b'{"event":"start","user":"bob"}\n',
        "stock.parquet": parquet.getvalue(),
        "users.avro": avro.getvalue(),
        "prices.xlsx": workbook.getvalue(),
    }


@dataclass(frozen=True)
class Terminal:
    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and what a person sees, each state of the progress in a line of its own."""
        screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        with ThreadPoolExecutor(1) as threads:
            ended = threads.submit(self._run, terminal, arguments)
            seen = b""
            while True:
                try:
                    chunk = os.read(screen, 65_536)
                except OSError:  # the other end is closed
                    break
                seen += chunk
                if not chunk:
                    break
            code = ended.result()
        os.close(screen)
        shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode().replace("\r\n", "\n").replace("\r", "\n")
        assert "Traceback" not in shown
        return code, shown

    def _run(self, descriptor: int, arguments: tuple[str, ...]) -> int:
        with open(descriptor, "r+b", buffering=0) as terminal:
            return warm.run(
                "file-cdk",
                *arguments,
                cwd=self.folder,
                env=self.environment,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                by=warm.STORES,
            )


def rows_in(database: Path) -> dict[str, int]:
    """Of every table, as the database counts them; and the ledger has the same."""
    with duckdb.connect(str(database), read_only=True) as made:
        counted = {
            name: made.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
            for (name,) in made.execute("SELECT stream FROM _file_cdk_streams").fetchall()
        }
        told = made.execute(
            "SELECT stream, sum(rows) FROM _file_cdk_files WHERE status = 'loaded' GROUP BY 1"
        ).fetchall()
    assert dict(told) == counted
    return counted


def test_from_a_bucket_to_tables_and_back_from_a_broken_file(
    seaweedfs: SeaweedFS, seaweedfs_bucket: str, tmp_path: Path
) -> None:
    def put(name: str, data: bytes) -> None:
        seaweedfs.put(seaweedfs_bucket, name, data)

    for name, data in files().items():
        put(name, data)
    own = {
        "AWS_ENDPOINT_URL": seaweedfs.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "TERM": "xterm-256color",
    }
    terminal = Terminal(tmp_path, {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}, **own})
    database = tmp_path / "shop.duckdb"

    code, shown = terminal.run("init", f"s3://{seaweedfs_bucket}", "--output", "shop.yaml")
    assert code == 0
    assert "orders: 2 files, csv, orders/*.csv\n" in shown
    text = (tmp_path / "shop.yaml").read_text()
    assert seaweedfs.secret_key not in text + shown

    code, shown = terminal.run("check", "shop.yaml", "--to", "shop.duckdb")
    assert (code, shown.splitlines()[-1]) == (0, "all is well")
    assert shown.count("  ok      read") == len(ROWS)

    code, shown = terminal.run("explain", "shop.yaml", "--to", "shop.duckdb")
    assert code == 0
    assert shown.count(" read ") == len(files())
    assert "orders: 2 to read" in shown

    code, shown = terminal.run("sync", "shop.yaml", "--to", "shop.duckdb")
    assert code == 0
    for name, count in ROWS.items():
        assert re.search(rf"^{name} +\d +{count} +\d", shown, re.MULTILINE)
    assert f"done: {sum(ROWS.values())} rows, " in shown
    assert rows_in(database) == ROWS

    assert counts_of_status(terminal) == {name: (count, 0) for name, count in ROWS.items()}

    code, shown = terminal.run("sync", "shop.yaml", "--to", "shop.duckdb")
    assert code == 0
    assert "done: 0 rows, " in shown
    assert rows_in(database) == ROWS

    put("orders/2024-02.csv", BROKEN)
    code, shown = terminal.run("explain", "shop.yaml", "--to", "shop.duckdb")
    assert "1 to replace" in shown
    code, shown = terminal.run("sync", "shop.yaml", "--to", "shop.duckdb")
    assert code == 4
    assert "orders/2024-02.csv" in shown
    assert "file-cdk rejects shop.duckdb" in shown
    assert rows_in(database) == ROWS  # the older version stays

    code, shown = terminal.run("rejects", "shop.duckdb")
    assert code == 0
    assert "4;medlar;0,50;what is this" in shown
    assert counts_of_status(terminal)["orders"] == (ROWS["orders"], 1)

    put("orders/2024-02.csv", ORDERS + b"6;plum;3,00\n")
    code, shown = terminal.run("sync", "shop.yaml", "--to", "shop.duckdb")
    assert code == 0
    assert re.search(r"^orders +1 +1 +4 +\d", shown, re.MULTILINE)
    assert rows_in(database) == {**ROWS, "orders": 6}
    assert counts_of_status(terminal)["orders"] == (6, 0)
    code, shown = terminal.run("status", "shop.duckdb", "--verify")
    assert code == 0


def counts_of_status(terminal: Terminal) -> dict[str, tuple[int, int]]:
    """Rows, and files that failed, of each table."""
    code, shown = terminal.run("status", "shop.duckdb", "--json")
    assert code == 0
    document = json.loads(shown)
    return {each["stream"]: (each["rows"], each["failed"]) for each in document["streams"]}
