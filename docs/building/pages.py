"""What MkDocs is told about pages that are also read in the repository (its `hooks`).

A block may name its file in its info string (```yaml shop.yaml), which is how the tests find it: the site shows that as a title.
Pages beside docs/ are on the site, too, and links to and from them lead there. Decisions are all of their folder, latest first.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")
"""Pages of the repository that are not in docs/, by their paths in both."""
_FENCE = re.compile(r"^```(\w+) ([^\s`]+)$", re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")


def on_config(config: Any) -> Any:
    """MkDocs makes a page's title from its first heading where the navigation gives none."""
    decisions = sorted((path.name for path in (ROOT / "docs/decisions").glob("2*.md")), reverse=True)
    for section in config.nav:
        if isinstance(section, dict) and section.get("Decisions") == "decisions":
            section["Decisions"] = ["decisions/README.md", *(f"decisions/{name}" for name in decisions)]
    return config


def on_files(files: Files, config: Any) -> Files:
    for path in BESIDE:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = page.file.src_uri
    in_repository = here if here in BESIDE else f"docs/{here}"

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), match[2]))
        if target.startswith("docs/"):
            on_site = target.removeprefix("docs/")
        elif target in BESIDE:
            on_site = target
        else:
            return match[0]
        if (ROOT / target).is_dir():
            on_site += "/README.md"
        return f"{match[1]}{posixpath.relpath(on_site, posixpath.dirname(here) or '.')}{match[3]}"

    return _FENCE.sub(r'```\1 title="\2"', _LINK.sub(led, markdown))
