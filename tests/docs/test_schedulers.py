"""The recipes of docs/guide/schedulers.md, run by the schedulers that they are for: `tox -e schedulers` has these installed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_examples import DOCS, files

PAGE = (DOCS / "guide" / "schedulers.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in files(PAGE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def run(folder: Path, program: str, **settings: str) -> str:
    # Both keep settings and a database in a home of their own.
    environment = {
        **os.environ,
        "HOME": str(folder),
        "DAGSTER_HOME": str(folder),
        "PREFECT_HOME": str(folder / ".prefect"),
        **settings,
    }
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def needs(scheduler: str) -> None:
    if find_spec(scheduler) is None:
        assert not os.environ.get("FILE_CDK_SCHEDULERS"), f"{scheduler} is not installed"
        pytest.skip(f"{scheduler} is not installed; tox -e schedulers has Dagster and Prefect")


def test_dagster(folder: Path) -> None:
    needs("dagster")
    program = """
import dagster, dagster_orders
for _ in range(2):
    done = dagster.materialize([dagster_orders.orders], raise_on_error=False)
    (event,) = done.get_asset_materialization_events()
    print("rows", event.materialization.metadata["rows"].value)
open("orders/broken.csv", "w").write('id,item\\n"3,plum\\n')
print("success", dagster.materialize([dagster_orders.orders], raise_on_error=False).success)
"""
    assert run(folder, program).splitlines()[-3:] == ["rows 2", "rows 0", "success False"]


def test_prefect(folder: Path) -> None:
    needs("prefect")
    program = """
import prefect_orders
from prefect.testing.utilities import prefect_test_harness
with prefect_test_harness(server_startup_timeout=300):
    print("rows", prefect_orders.nightly())
"""
    assert "rows 2" in run(folder, program, PREFECT_LOGGING_LEVEL="ERROR", DO_NOT_TRACK="1").splitlines()


def test_airflow(folder: Path) -> None:
    needs("airflow")
    program = """
import airflow_orders
print(airflow_orders.load.function("orders", "shop.duckdb"))
"""
    assert run(folder, program).splitlines()[-1] == "2"


def test_systemd_takes_the_units(folder: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = sorted(str(path) for path in folder.glob("file-cdk-orders.*"))
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    # Other units of this machine may be at fault, too.
    assert [line for line in ran.stderr.splitlines() if "file-cdk-orders" in line] == []


def test_the_image_starts_what_the_package_installs(folder: Path) -> None:
    text = (folder / "Dockerfile").read_text()
    stages = re.findall(r"^FROM \S+(?: AS (\w+))?$", text, re.MULTILINE)
    assert set(re.findall(r"--from=(\w+)", text)) <= set(stages)
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    assert re.findall(r'^ENTRYPOINT \["(.+)"\]$', text, re.MULTILINE)[0] in project["scripts"]
    assert re.findall(r"/src\[(\w+)\]", text)[0] in project["optional-dependencies"]
