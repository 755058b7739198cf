"""docs/reference is what docs/building/reference.py makes of the code, and knows all of it. The chart is of the numbers told."""

import re
import subprocess
import sys
from pathlib import Path

import file_cdk
from file_cdk.core.exit_codes import ExitCode

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.published import chart, tables  # noqa: E402 - it stands beside the package, and is not installed
from benchmarks.report import load_run  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"


def test_the_reference_is_fresh() -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "docs" / "building" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_every_public_name_is_described() -> None:
    described = re.findall(r"^### (\w+)$", (REFERENCE / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(described) == sorted(getattr(file_cdk, "__all__"))  # noqa: B009 - types are told of by a file without it


def test_every_exit_code_is_listed() -> None:
    listed = re.findall(r"^\| (\d+) \|", (REFERENCE / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(code) for code in listed] == sorted(ExitCode)


def test_every_page_that_is_read_here_is_in_the_site_or_stands_beside_it() -> None:
    """A page that the site's navigation lacks is a warning there; this says so without MkDocs."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if not page.startswith("decisions/") and page not in navigation} == set()


def test_the_chart_and_the_tables_are_of_the_numbers_that_were_measured() -> None:
    pictures = ROOT / "docs" / "pictures"
    run = load_run(pictures / "benchmarks.json")
    assert (pictures / "benchmarks.svg").read_text(encoding="utf-8") == chart(run["workloads"])
    assert tables(run) in (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
