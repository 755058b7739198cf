"""Wheel and sdist of this tree, as they would be published, into dist/:

- built twice from the same commit, and the same byte for byte (SOURCE_DATE_EPOCH is the time of the commit);
- taken by twine's checks, and called by the version that the package says it has, which the changelog has, too;
- each installed alone into an environment of its own, where a sync loads a fixture;
- a project that depends on the wheel tests a connector against moto and local fixtures, as docs/guide/testing.md tells it to;
- a bill of materials (CycloneDX) of the wheel with all that it needs.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
FIXTURE = ROOT / "fixtures" / "flights"
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scratch"
version = "1"
dependencies = ["file-cdk[s3] @ {wheel}", "moto[s3,server]", "pytest"]

[tool.hatch.metadata]
allow-direct-references = true

[tool.hatch.build.targets.wheel]
only-include = ["source_bucket.py"]
"""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    print("$", *command, flush=True)
    # S603: the commands are the literals below.
    ran = subprocess.run(  # noqa: S603
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return ran.stdout


def main() -> None:
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        again = Path(scratch, "again")
        for out in (DIST, again):
            run(sys.executable, "-m", "build", "--outdir", out, SOURCE_DATE_EPOCH=epoch)
        wheel, sdist = _same(DIST, again)
        _named(wheel, sdist)
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
        for package in (sdist, wheel):
            python = _installed(Path(scratch, package.suffix[1:]), package)
            _loads(python, Path(scratch))
        _bill(python)
        _scratch_project(Path(scratch, "project"), wheel)
    for path in sorted(DIST.iterdir()):
        print(_digest(path), path.name)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _same(built: Path, again: Path) -> tuple[Path, Path]:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    for path in (wheel, sdist):
        assert _digest(path) == _digest(again / path.name), f"{path.name} is not the same when it is built again"
    return wheel, sdist


def _named(wheel: Path, sdist: Path) -> None:
    version = re.findall(r'^VERSION = "(.+)"$', (ROOT / "file_cdk/core/version.py").read_text(), re.MULTILINE)[0]
    assert wheel.name == f"file_cdk-{version}-py3-none-any.whl", wheel.name
    assert sdist.name == f"file_cdk-{version}.tar.gz", sdist.name
    assert re.search(rf"^## \[?{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE), version


def _installed(folder: Path, *packages: str | Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", *packages)
    run(python, "-m", "pip", "check")
    return python


def _loads(python: Path, folder: Path) -> None:
    database = folder / f"{python.parent.parent.name}.duckdb"
    run(python.parent / "file-cdk", "sync", FIXTURE, "--to", database, "--quiet", cwd=folder)
    # S608: the path is of this script's own folder.
    count = f"import duckdb; print(duckdb.connect({str(database)!r}).sql('select count(*) from flights').fetchall())"  # noqa: S608
    lines = sum(len(path.read_text().splitlines()) - 1 for path in FIXTURE.glob("*.csv"))
    assert run(python, "-c", count, cwd=folder).strip() == f"[({lines},)]"


def _bill(python: Path) -> None:
    made = "cyclonedx_py", "environment", "--output-reproducible", "--pyproject", ROOT / "pyproject.toml"
    run(sys.executable, "-m", *made, "--output-file", DIST / "file_cdk.cdx.json", python)


def _scratch_project(folder: Path, wheel: Path) -> None:
    """What a reader of the guide to tests would have: its connector, its tests, and nothing of this tree."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT.format(wheel=wheel.as_uri()))
    guide = (ROOT / "docs/guide/testing.md").read_text()
    for name, text in re.findall(r"^```python (\w+\.py)\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE):
        (folder / name).write_text(text)
    python = _installed(folder / ".venv", folder)
    run(python, "-m", "pytest", "-q", "test_folder.py", cwd=folder, FILE_CDK_UPDATE_GOLDEN="1")
    print(run(python, "-m", "pytest", "-q", cwd=folder))


if __name__ == "__main__":
    main()
