"""How a Postgres database is opened, and what is said where it cannot be, or is lost."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
from postgres_landing import connected

from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.postgres.destination import PostgresDestination
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version
from file_cdk.testing.servers.postgres import PostgresServer

T = TableName("t")
COMMAND = [sys.executable, "-c", "from file_cdk.cli import console; console()"]


def test_a_run_is_refused_while_another_writes_there(postgres_database: str) -> None:
    with closing(PostgresDestination(postgres_database)) as first:
        first.open()
        with pytest.raises(DestinationInUseError, match=r"in use by another run in this process, since 2\d{3}-"):
            PostgresDestination(postgres_database).open()
        with closing(PostgresDestination(f"{postgres_database}?schema=other")) as elsewhere:
            elsewhere.open()
    with closing(PostgresDestination(postgres_database)) as next_run:
        next_run.open()


@pytest.mark.process
def test_the_other_run_is_named_and_one_that_is_killed_holds_nobody_up(postgres_database: str) -> None:
    program = (
        "import sys; from file_cdk.destinations.postgres.destination import PostgresDestination\n"
        "destination = PostgresDestination(sys.argv[1]); destination.open(); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", program, postgres_database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(DestinationInUseError, match=f"another run: process {other.pid} on host "):
            PostgresDestination(postgres_database).open()
        other.send_signal(signal.SIGKILL)
    environment = {**os.environ, "FILE_CDK_SETTLE": "0"}
    folder = Path(__file__).parents[2] / "fixtures" / "planes"
    wait = [*COMMAND, "sync", str(folder), "--to", postgres_database, "--wait", "20"]
    done = subprocess.run(wait, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "p%40ss" not in done.stdout + done.stderr


@pytest.mark.parametrize("is_in_url", [True, False])
def test_a_wrong_password_is_refused_and_not_shown(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, is_in_url: bool
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2hunter2")
    url = postgres_server.url(password=False)
    if is_in_url:
        monkeypatch.delenv("PGPASSWORD")
        url = url.replace("@", ":hunter2hunter2@")
    with pytest.raises(DestinationError, match="password authentication failed") as caught:
        PostgresDestination(url).open()
    assert "hunter2" not in str(caught.value) + repr(caught.value.__dict__)
    assert "PGPASSWORD" in str(caught.value.remedy)


def test_the_password_may_be_in_the_environment(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", postgres_server.password)
    destination = destination_for(postgres_server.url(postgres_server.create_database(), password=False))
    destination.open()
    destination.close()


def test_the_password_is_nowhere(postgres_server: PostgresServer, postgres_database: str) -> None:
    with closing(PostgresDestination(postgres_database)) as destination:
        destination.open()
        load_whole(destination, destination.table(T), version("a"), [{"n": 1}])
        shown = repr(destination.__dict__) + destination.url
    assert "p%40ss" not in shown
    assert postgres_server.password not in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"database": "no_such_database"}, 'database "no_such_database" does not exist'),
        ({"port": 1}, "refused"),
    ],
)
def test_what_is_not_there_is_named(postgres_server: PostgresServer, change: dict[str, Any], words: str) -> None:
    url = postgres_server.url(change.get("database", "postgres"))
    url = url.replace(f":{postgres_server.port}/", f":{change.get('port', postgres_server.port)}/")
    with pytest.raises(DestinationError, match=words):
        PostgresDestination(url).open()


def test_a_user_who_may_not_write_is_told(postgres_server: PostgresServer, postgres_database: str) -> None:
    name = f"reader_{postgres_database.rpartition('_')[2]}"
    with connected(postgres_database) as db:
        db.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'".encode())
        db.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = f"postgres://{name}:pw@127.0.0.1:{postgres_server.port}/{postgres_database.rpartition('/')[2]}"
    with pytest.raises(DestinationError, match="permission"):
        PostgresDestination(url).open()
    with pytest.raises(DestinationError, match="permission"):
        PostgresDestination(url).check()


def test_a_schema_is_made_when_it_is_named(postgres_database: str) -> None:
    destination = PostgresDestination(f'{postgres_database}?schema=Odd "one"&connect_timeout=5'.replace(" ", "%20"))
    assert destination.check() is False
    with closing(destination):
        destination.open()
        load_whole(destination, destination.table(T), version("a"), [{"n": 1}])
    assert destination.check() is True
    with connected(postgres_database) as db:
        assert db.execute('SELECT n FROM "Odd ""one""".t').fetchall() == [(1,)]
        assert db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall() == [(0,)]


def test_a_table_of_somebody_else_is_refused(postgres_database: str) -> None:
    with closing(PostgresDestination(postgres_database)) as destination:
        destination.open()
        with connected(postgres_database) as db:
            db.execute("CREATE TABLE t (x INTEGER)")
            db.execute("CREATE VIEW v AS SELECT 1")
        for name in "tv":
            with pytest.raises(DestinationError, match="that file_cdk did not make"):
                destination.table(TableName(name))
        with pytest.raises(DestinationError, match="cannot be called"):
            destination.table(TableName("pg_class"))


def test_a_connection_that_is_lost_in_the_middle_loses_what_was_not_committed(postgres_database: str) -> None:
    destination = PostgresDestination(postgres_database)
    destination.open()
    table = destination.table(T)
    load_whole(destination, table, version("a"), [{"n": 1}])
    table.flush()
    load = table.begin(version("b"))
    with connected(postgres_database) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'file-cdk %'")
    with pytest.raises(DestinationError, match="the connection was lost") as caught:
        load.commit(LoadedFile(0))
    assert "what was committed is kept" in str(caught.value.remedy)
    load.abort()
    destination.close()
    with closing(PostgresDestination(postgres_database)) as again:
        again.open()
        assert again.table(T).unloaded([version("a"), version("b")]) == [False, True]


@pytest.mark.scenario
def test_no_command_shows_the_password(postgres_server: PostgresServer, postgres_database: str, tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "a.csv").write_text("id,n\n1,2\n2,3\n")
    (folder / "b.csv").write_text("id,n\n1,2\n2\n")
    commands = [
        ["check", str(folder), "--to", postgres_database],
        ["sync", str(folder), "--to", postgres_database, "--max-rejects", "5"],
        ["explain", str(folder), "--to", postgres_database],
        ["ls", str(folder), "--to", postgres_database],
        ["status", postgres_database, "--verify", "--runs", "5"],
        ["rejects", postgres_database],
        ["state", "show", postgres_database],
        ["rejects", f"{postgres_database}?schema=empty"],
    ]
    environment = {**os.environ, "FILE_CDK_SETTLE": "0"}
    shown = ""
    for command in commands:
        done = warm.captured("file-cdk", *command, env=environment)
        shown += done.stdout + done.stderr
    with connected(postgres_database) as db:
        for table in ("runs", "streams", "files", "rejects"):
            shown += repr(db.execute(f"SELECT * FROM _file_cdk_{table}".encode()).fetchall())
    assert "see: file-cdk rejects" in shown
    assert "3 rows" in shown
    assert "Traceback" not in shown
    assert postgres_server.password not in shown
    assert "p%40ss" not in shown
