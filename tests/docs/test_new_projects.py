"""What `file-cdk new` writes: its README is true, and the guides show the same files. The tests in them run with the guides'
examples."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from test_examples import GUIDE, run_examples

from file_cdk.cli import main

KINDS = ("source", "format", "destination")
SHOWN = {
    "source": ("shelf", ["source_shelf.py", "tests/test_source_shelf.py", "example.py", "config.json"]),
    "format": ("pairs", ["format_pairs.py", "tests/test_format_pairs.py"]),
    "destination": ("shelf", ["destination_shelf.py", "tests/test_destination_shelf.py"]),
}


def made(kind: str, name: str, folder: Path) -> Path:
    project = folder / f"{kind}-{name}"
    assert main(["new", kind, name, "--output", str(project), "--quiet"]) == 0
    return project


def installed(project: Path, folder: Path) -> dict[str, str]:
    """The environment in which the project is found, as pip would have it: its metadata and commands, by its pyproject.toml."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = folder / f"{metadata['name'].replace('-', '_')}-{metadata['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {metadata['name']}\nVersion: {metadata['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in metadata["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, place in metadata.get("scripts", {}).items():
        module, _, function = place.partition(":")
        (folder / name).write_text(f'#!/bin/sh\nexec python -c "import {module}; {module}.{function}()" "$@"\n')
        (folder / name).chmod(0o755)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), str(project), os.environ.get("PYTHONPATH", "")]),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_is_true(kind: str, tmp_path: Path) -> None:
    project = made(kind, "acme-files", tmp_path)
    readme = (project / "README.md").read_text()
    assert not re.findall("@[a-zA-Z]+@", "".join(path.read_text() for path in project.rglob("*") if path.is_file()))
    for name in re.findall(r"`([\w/-]+\.(?:py|json))`", readme):
        assert (project / name).exists()
    run_examples(readme, project, installed(project, tmp_path / "site"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_shows_what_is_written(kind: str, tmp_path: Path) -> None:
    name, shown = SHOWN[kind]
    project = made(kind, name, tmp_path)
    page = (GUIDE / f"new_{kind}.md").read_text()
    for path in shown:
        assert f"\n{(project / path).read_text()}```" in page


def test_the_projects_are_python_as_this_one_is_written(tmp_path: Path) -> None:
    for kind in KINDS:
        project = made(kind, "acme", tmp_path)
        for path in project.rglob("*.py"):
            assert max(map(len, path.read_text().splitlines())) <= 120
            compile(path.read_text(), path, "exec")
