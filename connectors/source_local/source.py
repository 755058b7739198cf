"""The connector: a folder as its configuration or a path names it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field

from file_cdk import AccessError, ConfigError, Connector, GlobPatterns, LocalReader, Location, SourceConfig

_WILDCARD = re.compile(r"[*?\[{]")


class LocalConfig(SourceConfig):
    """Configuration of source-local."""

    path: str = Field(title="Path", description="Folder that holds the files; uris are relative to it.", min_length=1)
    follow_symlinks: bool = Field(
        False, title="Follow Symlinks", description="Also read files outside the folder that links in it point to."
    )


def locate(url: str) -> Location:
    """A folder means all files below it, a file itself, and a pattern what it matches below its first fixed folders."""
    text = _path_of(url)
    path = Path(text)
    if path.is_dir():
        return Location({"path": str(path)}, ("**",), path.resolve().name or "files")
    if path.exists():
        return Location({"path": str(path.parent)}, (GlobPatterns.escape(path.name),), path.stem)
    if wildcard := _WILDCARD.search(text):
        root, _, _ = text[: wildcard.start()].rpartition("/")
        pattern = text[len(root) + 1 :] if root or text.startswith("/") else text
        folder = Path(root or ("/" if text.startswith("/") else "."))
        if folder.is_dir():
            return Location({"path": str(folder)}, (pattern,), folder.resolve().name or "files")
        raise AccessError(f"no such folder: {folder}")
    raise AccessError(f"no such file or folder: {text}")


def _path_of(url: str) -> str:
    if not url.startswith("file:"):
        return url
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError(f"{url} names another host", remedy="Write file:///path for a path on this machine")
    return unquote(parts.path)


connector = Connector(
    name="source-local",
    config_class=LocalConfig,
    make_reader=lambda config: LocalReader(config.path, follow_symlinks=config.follow_symlinks),
    locate=locate,
    name_origin=lambda config: Path(config.path).resolve().as_uri(),
)
