"""URLs of files, as the command line names them."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from source_http.addresses import name_files

from file_cdk import ConfigError, GlobPatterns, Location, globs_inside, redacted, split_member

_WILDCARD = re.compile(r"[*?\[{]")


def locate(url: str) -> Location:
    """The file at a URL; after an archive's name and `!`, what is inside. Asks no server. Raises ConfigError for patterns,
    since smart_open lists nothing."""
    archive, inner = split_member(url) or (url, "")
    if _WILDCARD.search(archive):
        raise ConfigError(
            f"{redacted(archive)}: files cannot be listed here, so patterns mean nothing",
            remedy="List the URLs in a YAML file with the source's configuration",
        )
    parts = urlsplit(archive)
    if not parts.path.rpartition("/")[2]:
        raise ConfigError(f"{redacted(archive)} names no file", remedy="Folders cannot be listed: name the file itself")
    _, [uri] = name_files([parts])
    outer = GlobPatterns.escape(uri)
    globs = globs_inside(outer, inner) if inner.rstrip("/") else (outer,)
    return Location({"urls": [archive]}, globs, PurePosixPath(unquote(parts.path)).stem)
