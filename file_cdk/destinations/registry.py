"""Which class a destination's URL or path stands for. Importing this module imports no database."""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import Destination
from file_cdk.core.uris import redacted

ENTRY_POINT_GROUP = "file_cdk.destinations"
"""A third party's entry point: its name is the URL scheme, its object is called with the URL and gives a Destination."""

BUILT_IN = {"duckdb": "file_cdk.destinations.duckdb:DuckDBDestination"}

_DUCKDB_SUFFIXES = (".duckdb", ".ddb")


def destination_for(url: str) -> Destination:
    """The destination that a URL or path names; not opened, and nothing about it checked but its spelling.

    `sales.duckdb`, `/data/sales.ddb`: a path that ends like a DuckDB database. Other file names need the URL form:
    `duckdb:///sales.db` is relative to the current folder and `duckdb:////data/sales.db` absolute, as SQLAlchemy and dlt
    read them; `duckdb:sales.db` and `duckdb:/data/sales.db` say the same with fewer slashes. What follows is the path as
    it is, without percent-decoding. Any other scheme is looked up among the entry points of `file_cdk.destinations`.
    Raises ConfigError.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or "/" in scheme:
        return _duckdb(_database_file(url))
    if scheme.lower() == "duckdb":
        return _duckdb(_path_in(url, rest))
    entry_point = _third_party().get(scheme.lower())
    if entry_point is None:
        if url.endswith(_DUCKDB_SUFFIXES) and not rest.startswith("//"):
            return _duckdb(url)  # a file whose name has a colon in it
        known = ", ".join([*BUILT_IN, *_third_party()])
        raise ConfigError(
            f"no destination is installed for {scheme + ':'!r} URLs",
            remedy=f"Installed are: {known}. A path that ends in .duckdb is a DuckDB database",
        )
    try:
        factory = entry_point.load()
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"the destination for {scheme + ':'!r} URLs cannot be loaded from {entry_point.value!r}",
            remedy="Reinstall the package that provides it, with all it needs",
        ) from exc
    return cast(Destination, factory(url))


def _duckdb(path: str) -> Destination:
    module, _, name = BUILT_IN["duckdb"].partition(":")
    try:
        factory: Any = getattr(import_module(module), name)
    except ModuleNotFoundError as exc:
        if exc.name not in ("duckdb", "pyarrow"):
            raise
        raise ConfigError(
            f"a DuckDB destination needs the package {exc.name!r}, which is not installed",
            remedy=f"Install it: pip install {exc.name}",
        ) from exc
    return cast(Destination, factory(path))


def _database_file(path: str) -> str:
    if path.endswith(_DUCKDB_SUFFIXES):
        return path
    raise ConfigError(
        f"{redacted(path)!r} is no destination: neither a URL nor a file ending in .duckdb",
        remedy=f"For a DuckDB database of that name write {'duckdb:' + redacted(path)!r}",
    )


def _path_in(url: str, rest: str) -> str:
    """The database's path in what follows `duckdb:`."""
    path = rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host or not slash:
            raise ConfigError(
                f"{redacted(url)!r} names a host where a path should be",
                remedy=f"Write {'duckdb:///' + redacted(url).partition('://')[2]!r}, with three slashes, or four for an "
                "absolute path",
            )
    if path in ("", ":memory:"):
        raise ConfigError(f"{url!r} names no file to keep the rows in", remedy="Write duckdb:///name.duckdb")
    if "?" in path:
        raise ConfigError(f"{redacted(url)!r} has options after '?', which a DuckDB destination does not take")
    return path


@cache
def _third_party() -> dict[str, EntryPoint]:
    """By scheme, in alphabetical order; a built-in scheme cannot be taken over."""
    found = {point.name.lower(): point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {scheme: found[scheme] for scheme in sorted(found) if scheme not in BUILT_IN}
