import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warm

FILES = {"a.csv": "id,name\n1,ada\n2,grace\n", "b.csv": "id,name\n3,joan\n"}


def source_local(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return warm.captured("source-local", *arguments)


def messages(ran: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, (name, text) in enumerate(FILES.items()):
        path = tmp_path / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    config = {
        "path": str(tmp_path / "files"),
        "streams": [{"name": "people", "globs": ["*.csv"], "format": {"filetype": "csv"}}],
    }
    stream = {"name": "people", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = {"streams": [{"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    return tmp_path


def read_arguments(folder: Path) -> list[str]:
    return ["read", "--config", f"{folder}/config.json", "--catalog", f"{folder}/catalog.json"]


def test_spec_is_one_message() -> None:
    ran = source_local("spec")
    assert [message["type"] for message in messages(ran)] == ["SPEC"]
    assert ran.returncode == 0


@pytest.mark.parametrize("store", ["azure_blob_storage", "gcs", "http", "local", "s3", "sftp", "smart_open"])
def test_spec_imports_only_what_describes_a_configuration(store: str) -> None:
    """What a start takes is what it imports; the benchmarks measure it."""
    program = (
        "import sys, file_cdk\nsys.argv = ['source', 'spec']\n"
        f"try: file_cdk.run_connector('source_{store}.source:connector')\nexcept SystemExit: pass\n"
        "found = {name for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names}\n"
        "print(' '.join(sorted(found)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = [name for name in ran.stdout.splitlines()[-1].split() if not name.startswith("_")]
    roots = {name.partition(".")[0] for name in found}
    assert roots <= {"file_cdk", f"source_{store}", "source_http"}
    assert not [name for name in found if name.startswith(("file_cdk.engine", "file_cdk.formats"))]


def test_help_on_read_starts_no_workers() -> None:
    program = (
        "import sys, file_cdk\nsys.argv = ['source', 'read', '--help']\n"
        "try: file_cdk.run_connector('source_local.source:connector', ends_process=True)\n"
        "finally: print([name for name in sys.modules if name.startswith('file_cdk.engine')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("option", ["--debug", ""])
def test_check_and_discover(folder: Path, option: str) -> None:
    more = [option] if option else []
    checked = source_local("check", "--config", f"{folder}/config.json", *more)
    assert messages(checked)[-1]["connectionStatus"]["status"] == "SUCCEEDED"
    discovered = source_local("discover", "--config", f"{folder}/config.json", *more)
    (catalog,) = [message["catalog"] for message in messages(discovered) if message["type"] == "CATALOG"]
    assert list(catalog["streams"][0]["json_schema"]["properties"])[-2:] == ["id", "name"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_read(folder: Path, workers: str) -> None:
    ran = source_local(*read_arguments(folder), "--workers", workers)
    assert ran.returncode == 0, ran.stderr
    records = [message["record"]["data"] for message in messages(ran) if message["type"] == "RECORD"]
    assert [(record["id"], record["name"]) for record in records] == [("1", "ada"), ("2", "grace"), ("3", "joan")]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory"),
        ("{", "is not JSON"),
        ("[1]", "does not hold a JSON object"),
        ('{"password": "hunter2" "x"}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_a_config_file_that_cannot_be_used(folder: Path, command: str, content: str | None, complaint: str) -> None:
    config = folder / "config.json"
    config.unlink() if content is None else config.write_text(content)
    more = ["--catalog", f"{folder}/catalog.json"] if command == "read" else []
    ran = source_local(command, "--config", str(config), *more)
    (message,) = messages(ran)
    assert ran.returncode == 1
    assert message["type"] == "TRACE"
    assert message["trace"]["type"] == "ERROR"
    assert message["trace"]["error"]["failure_type"] == "config_error"
    assert complaint in message["trace"]["error"]["message"]
    assert "hunter2" not in ran.stdout + ran.stderr


def test_a_missing_state_file(folder: Path) -> None:
    ran = source_local(*read_arguments(folder), "--state", f"{folder}/state.json")
    (message,) = messages(ran)
    assert ran.returncode == 1
    assert "the state file" in message["trace"]["error"]["message"]


def test_state_as_lines_of_an_output(folder: Path) -> None:
    ran = source_local(*read_arguments(folder))
    (folder / "all.jsonl").write_text(ran.stdout)
    (folder / "state.jsonl").write_text("".join(line + "\n" for line in ran.stdout.splitlines() if "STATE" in line))
    (folder / "list.json").write_text(json.dumps([message for message in messages(ran) if message["type"] == "STATE"]))
    for state in ("all.jsonl", "state.jsonl", "list.json"):
        again = source_local(*read_arguments(folder), "--state", f"{folder}/{state}")
        assert again.returncode == 0, again.stdout
        assert [message for message in messages(again) if message["type"] == "RECORD"] == []
        assert "stream 'people': 0 files to read" in again.stdout


def test_one_file_and_one_record_are_not_plural(folder: Path) -> None:
    (folder / "files" / "a.csv").unlink()
    said = [
        message["log"]["message"] for message in messages(source_local(*read_arguments(folder))) if "log" in message
    ]
    assert said == ["stream 'people': 1 file to read", "read 1 record of stream 'people'"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"a": 1}\n\n{"b": hunter2}\n', "is not JSON: Expecting value at line 3, column 7"),
        ('{"a": 1}\n[', "is not JSON: Expecting value at line 2, column 2"),
        ('{\n"a": 1\n} x', "is not JSON: Extra data at line 3, column 3"),
        ("1\n2\n", "[0] must be an object"),
        ("", "is not JSON"),
        ("[" * 100_000 + "\n[", "is not JSON"),
        ('{"type": "LOG"}\n{"type": "TRACE"}', "none of its messages is a state"),
    ],
)
def test_a_state_file_that_cannot_be_used(folder: Path, content: str, complaint: str) -> None:
    (folder / "state.json").write_text(content)
    ran = source_local(*read_arguments(folder), "--state", f"{folder}/state.json")
    assert ran.returncode == 1
    assert complaint in messages(ran)[-1]["trace"]["error"]["message"]
    assert "hunter2" not in ran.stdout + ran.stderr


def test_the_output_of_discover_is_no_configured_catalog(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "unknown": 1}))
    discovered = source_local("discover", "--config", f"{folder}/config.json")
    catalog = messages(discovered)[-1]["catalog"]
    assert len(messages(discovered)) == 2
    for content in (discovered.stdout, json.dumps({"type": "CATALOG", "catalog": catalog}), json.dumps(catalog)):
        (folder / "catalog.json").write_text(content)
        (message,) = messages(source_local(*read_arguments(folder)))
        error = message["trace"]["error"]
        assert error["failure_type"] == "config_error"
        assert error["message"].startswith("this is discover's catalog")


@pytest.mark.parametrize("arguments", [[], ["write"], ["check"], ["read", "--config", "c.json"], ["spec", "--workers"]])
def test_wrong_usage_exits_2_with_nothing_on_stdout(arguments: list[str]) -> None:
    ran = source_local(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "usage: source-local" in ran.stderr


_CHATTY = """
import os
from file_cdk import Connector, LocalReader, SourceConfig

class Config(SourceConfig):
    path: str

class Chatty(LocalReader):
    def list_files(self, prefix):
        print("listing")
        os.write(1, b"listing, says a native library\\n")
        return super().list_files(prefix)

def reader(config):
    print("making a reader")
    return Chatty(config.path)

def broken(config):
    raise ValueError(f"hunter{1 + 1}")

if __name__ == "__main__":
    make_reader = broken if os.environ.get("BROKEN") else reader
    Connector(name="source-chatty", config_class=Config, make_reader=make_reader).main()
"""


def chatty(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    (folder / "source_chatty.py").write_text(_CHATTY)
    return warm.captured(warm.PYTHON, folder / "source_chatty.py", *arguments, env={**os.environ, **environment})


def test_what_a_reader_prints_goes_to_stderr(folder: Path) -> None:
    ran = chatty(folder, *read_arguments(folder), "--workers", "0")
    assert ran.returncode == 0, ran.stderr
    assert sum(message["type"] == "RECORD" for message in messages(ran)) == 3
    assert "making a reader" in ran.stderr
    assert "listing, says a native library" in ran.stderr


def test_an_unforeseen_error_is_a_system_error_without_values(folder: Path) -> None:
    ran = chatty(folder, *read_arguments(folder), BROKEN="1")
    error = messages(ran)[-1]["trace"]["error"]
    assert ran.returncode == 1
    assert error["failure_type"] == "system_error"
    assert "unexpected ValueError at source_chatty.py" in error["message"]
    assert "source_chatty.py" in error["stack_trace"]
    assert "hunter2" not in ran.stdout + ran.stderr


def many_rows(folder: Path) -> None:
    rows = "".join(f"{n},somebody with a long name to fill the pipe\n" for n in range(400_000))
    (folder / "files" / "c.csv").write_text("id,name\n" + rows)


@pytest.mark.process
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_reader_of_stdout_that_leaves_is_named_as_the_reason(folder: Path, workers: str) -> None:
    many_rows(folder)
    command = ["source-local", *read_arguments(folder), "--workers", workers]
    with warm.Process(*command, stdout=warm.PIPE, stderr=warm.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == b"error: whoever reads the output has closed it\n"
        assert process.wait(timeout=20) == 1


@pytest.mark.process
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_read(folder: Path, signum: signal.Signals, code: int, workers: str) -> None:
    many_rows(folder)
    command = ["source-local", *read_arguments(folder), "--workers", workers]
    with warm.Process(*command, stdout=warm.PIPE, stderr=warm.PIPE) as process:
        assert process.stdout is not None
        while b'"RECORD"' not in process.stdout.readline():
            pass
        process.send_signal(signum)
        _, said = process.communicate(timeout=20)
        assert process.returncode == code
        assert b"Traceback" not in said
