"""`file-cdk manifest`: what is said, where, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import Run, command_with
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
SOUND = """\
version: 1.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [users]}
streams:
  - type: DeclarativeStream
    name: users
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url: "https://api.example.com/users"}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


def write(text: str) -> None:
    Path("m.yaml").write_text(text, encoding="utf-8")


def test_a_sound_manifest(run: Run) -> None:
    write(SOUND)
    ran = run("manifest", "lint", "m.yaml")
    assert (ran.code, ran.out, ran.err) == (0, [], ["0 errors, 0 warnings"])


def test_errors_and_warnings(run: Run) -> None:
    write(SOUND.replace("url:", "uri:"))
    ran = run("manifest", "lint", "m.yaml", "--quiet")
    assert ran.code == 2
    assert ran.err == []
    assert ran.out == [
        "m.yaml:9:7: error: HttpRequester has no 'url' (stream 'users', field 'requester')",
        "m.yaml:9:40: warning: HttpRequester has no field 'uri', which is passed over (stream 'users', field 'uri')."
        " Was 'url' meant?",
    ]


def test_warnings_are_no_failure_unless_they_are_to_be(run: Run) -> None:
    write(SOUND.replace("{type: HttpRequester,", "{type: HttpRequester, colour: red,"))
    assert run("manifest", "lint", "m.yaml").code == 0
    assert run("manifest", "lint", "m.yaml", "--strict").code == 2


def test_control_characters_of_a_manifest_reach_no_terminal(run: Run) -> None:
    write(SOUND.replace("type: SimpleRetriever", r'type: "Simple\x1b[31mRetriever"'))
    (line, *_) = run("manifest", "lint", "m.yaml").out
    assert "\x1b" not in line


def test_as_json(run: Run) -> None:
    write(SOUND.replace("[users]", "[user]"))
    ran = run("manifest", "lint", "m.yaml", "--json")
    assert ran.documents == [
        {
            "line": 3,
            "column": 43,
            "severity": "error",
            "message": "there is no stream 'user' to be checked",
            "stream": None,
            "field": "stream_names",
            "nearest": "users",
        }
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "the manifest 'm.yaml' cannot be read: No such file or directory"),
        (b"a: \xff", "the manifest 'm.yaml' is not UTF-8: byte 3 cannot be decoded"),
    ],
)
def test_files_that_cannot_be_read(run: Run, content: bytes | None, told: str) -> None:
    if content is not None:
        Path("m.yaml").write_bytes(content)
    ran = run("manifest", "lint", "m.yaml")
    assert (ran.code, ran.out) == (2, [])
    assert told in ran.err[0]


def test_schema(run: Run) -> None:
    ran = run("manifest", "schema")
    assert ran.code == 0
    assert ran.document == json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(ran.document)


def test_what_templates_need_is_named_where_it_is_missing() -> None:
    """In a process of its own: whatever was imported stays."""
    program = """
import sys
from importlib.abc import MetaPathFinder
class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('jinja2', 'regex'):
            raise ModuleNotFoundError(name, name=name.partition('.')[0])
sys.meta_path.insert(0, Missing())
from file_cdk.cli import main
sys.exit(main(['manifest', 'lint', sys.argv[1]]))
"""
    manifest = ROOT / "tests" / "declarative" / "manifests" / "default_types.yaml"
    ran = subprocess.run([sys.executable, "-c", program, str(manifest)], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "is not installed. Install it with: pip install 'file-cdk[manifests]'" in ran.stderr
