"""URLs of files, as the command line names them."""

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from file_cdk import ConfigError, GlobPatterns, Location, globs_inside, split_member
from source_http.addresses import Addresses


def locate(url: str) -> Location:
    """The file at a URL, or all that a template stands for; after an archive's name and `!`, what is inside.

    Asks no server. Raises ConfigError for patterns, which no HTTP server can be asked for.
    """
    before_query, mark, query = url.partition("?")
    member = split_member(before_query)
    archive, inner = member or (before_query, "")
    if "*" in archive:
        raise ConfigError(
            "HTTP servers cannot be listed, so `*` in a URL means nothing",
            remedy="Use braces, such as {01..12} or {a,b}, or write %2A for an asterisk",
        )
    source = archive + mark + query
    uris = list(Addresses.of([source]).by_uri)
    return Location({"urls": [source]}, _globs(archive, uris, inner), _table_name(archive, uris))


def _globs(archive: str, uris: list[str], inner: str) -> tuple[str, ...]:
    outer = GlobPatterns.escape(uris[0]) if len(uris) == 1 else "**"
    if not inner:
        return (outer,)
    if len(uris) > 1:
        suffixes = PurePosixPath(archive).suffixes
        outer = "**/*" + "".join(suffixes[-2:] if suffixes[-2:-1] == [".tar"] else suffixes[-1:])
    return globs_inside(outer, inner)


def _table_name(archive: str, uris: list[str]) -> str:
    """The file's name, or the last folder before the braces; otherwise the host's."""
    parts = urlsplit(archive.partition("{")[0] if len(uris) > 1 else archive)
    folder, _, name = unquote(parts.path).rpartition("/")
    if len(uris) == 1:
        return PurePosixPath(name).stem
    return PurePosixPath(folder).name or parts.hostname or "files"
