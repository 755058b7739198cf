"""Objects as files of a folder, for servers that serve a folder."""

import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one. The new one has a new inode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".partial-{secrets.token_hex(8)}"
    partial.write_bytes(data)
    partial.replace(path)


def files_below(folder: Path) -> list[str]:
    """Paths relative to `folder`, `/`-separated, in the order of their text."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
