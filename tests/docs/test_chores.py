"""What is said twice in the repository is said the same."""

import configparser
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from file_cdk.core.exit_codes import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_lowest_constraints_are_the_lower_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = [re.fullmatch(r"([\w.-]+)>=([\w.]+)(?:; .*)?", requirement) for requirement in project["dependencies"]]
    constraints = [line for line in (ROOT / ".ci" / "lowest.txt").read_text().splitlines() if not line.startswith("#")]
    assert constraints == [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]
    assert None not in bounds


def test_readme_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "python -m pip install . && file-cdk sync fixtures/flights --to flights.duckdb\n" in readme
    assert "python -m pip install tox && tox\n" in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [t for t in targets if not t.startswith("https://") and not (page.parent / t).exists()]
    assert missing == []


def test_each_picture_is_on_a_page() -> None:
    text = "".join(page.read_text() for page in PAGES)
    pictures = [path.name for path in (ROOT / "docs" / "pictures").iterdir() if path.suffix in (".png", ".svg")]
    assert [name for name in pictures if f"pictures/{name})" not in text] == []


def test_contributing_names_every_tox_environment() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    environments = {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}
    named = re.findall(r"^\| `tox -e (\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(environments)
    assert set(re.split(r",\s*", tox["tox"]["env_list"])) <= environments


def test_pytest_and_mypy_find_shared_modules_in_the_same_folders() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    folders = [path.removeprefix("$MYPY_CONFIG_FILE_DIR/") for path in tools["mypy"]["mypy_path"]]
    assert [folder for folder in folders if folder.startswith("tests")] == tools["pytest"]["ini_options"]["pythonpath"]


def test_the_guide_lists_every_exit_code() -> None:
    table = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "guide" / "sync.md").read_text(), re.MULTILINE)
    assert [int(code) for code in table] == sorted(ExitCode)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_contributing_names_every_room() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)/`", text)) for room, text in rows} == {
        room.name: folders_with_modules(room)
        for room in (ROOT / "file_cdk").iterdir()
        if (room / "__init__.py").exists()
    }


def folders_with_modules(room: Path) -> set[str]:
    return {folder.name for folder in room.iterdir() if (folder / "__init__.py").exists()}


def test_modules_and_folders_stay_small() -> None:
    modules = [path for top in ("file_cdk", "connectors") for path in (ROOT / top).rglob("*.py")]
    assert [str(path) for path in modules if len(path.read_text().splitlines()) > 400] == []
    sizes = Counter(path.parent for path in modules if path.name != "__init__.py")
    assert [str(folder) for folder in sizes if sizes[folder] >= 15 and "formats" in folder.parts] == []


def test_slotted_classes_are_made_the_quick_way() -> None:
    modules = [path for path in (ROOT / "file_cdk").rglob("*.py") if "testing" not in path.relative_to(ROOT).parts]
    slow = [
        str(path.relative_to(ROOT))
        for path in modules
        if re.search(r"^from dataclasses import (\(|.*\bdataclass\b)", text := path.read_text(), re.MULTILINE)
        and re.search(r"@dataclass\(.*slots=True", text)
    ]
    assert slow == [], "core.dataclass makes them in a quarter of the time"
