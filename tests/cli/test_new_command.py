"""`file-cdk new`: where it writes, and which names it takes."""

from pathlib import Path

import pytest
from in_process import Run, command_with


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


def test_a_project_is_written_into_a_folder_of_its_own(run: Run) -> None:
    ran = run("new", "source", "acme-files")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == [
        "source-acme-files is written: cd source-acme-files, read README.md, and run tox",
        "what its parts are for: docs/guide/new_source.md",
    ]
    names = sorted(str(path.relative_to("source-acme-files")) for path in Path("source-acme-files").rglob("*.*"))
    assert names == [
        ".gitignore",
        "README.md",
        "config.json",
        "example.py",
        "pyproject.toml",
        "source_acme_files.py",
        "tests/test_source_acme_files.py",
        "tox.ini",
    ]
    assert "class AcmeFilesStore:" in Path("source-acme-files/source_acme_files.py").read_text()


def test_what_is_there_stays(run: Run) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("mine")
    ran = run("new", "format", "acme", "--output", "mine")
    assert ran.code == 2
    assert ran.err == ["error: mine is there already, and not empty. Name another folder with --output"]
    assert [path.name for path in Path("mine").iterdir()] == ["README.md"]
    Path("file").touch()
    assert run("new", "format", "acme", "--output", "file").err == ["error: cannot write to file: File exists"]
    Path("empty").mkdir()
    assert run("new", "format", "acme", "--output", "empty").code == 0


@pytest.mark.parametrize("name", ["Acme", "acme_files", "1acme", "acme--files", "acme-", "../acme", "", "ä"])
def test_names_that_could_be_no_modules_are_refused(run: Run, name: str) -> None:
    ran = run("new", "source", name)
    assert (ran.code, list(Path().iterdir())) == (2, [])
    assert "Use small letters, digits and single hyphens" in ran.err[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("source", "s3"),
        ("source", "azure-blob-storage"),
        ("format", "csv"),
        ("destination", "duckdb"),
        ("destination", "s3"),
        ("destination", "md"),
        ("destination", "motherduck"),
    ],
)
def test_names_that_are_built_in_are_refused(run: Run, kind: str, name: str) -> None:
    ran = run("new", kind, name)
    assert (ran.code, list(Path().iterdir())) == (2, [])
    assert ran.err == [f"error: {kind} {name!r} is built in, and would not be replaced. Give it another name"]


@pytest.mark.parametrize("name", ["json", "ndjson", "xlsx", "gz", "zip", "tgz", "crc"])
def test_a_format_has_an_ending_of_its_own(run: Run, name: str) -> None:
    """Files of another would go on being read, unpacked or passed over as they were, and the README would not be true."""
    ran = run("new", "format", name)
    assert (ran.code, list(Path().iterdir())) == (2, [])
    assert ran.err[0].startswith(f"error: files that end in .{name} are told by that already")
