"""Which class a destination's URL or path stands for. Importing this module imports no database."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import Destination
from file_cdk.core.uris import redacted

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUCKETS = ("s3://", "gs://", "az://")
"""How the URLs of buckets begin, of whose prefixes each may be a folder of Parquet files."""

MOTHERDUCK = ("md:", "motherduck:")
"""How names of databases begin that DuckDB has at MotherDuck."""

ENTRY_POINT_GROUP = "file_cdk.destinations"
"""A third party's entry point: its name is the URL scheme, its object is called with the URL and gives a Destination."""


@dataclass(frozen=True, slots=True)
class _Database:
    """place: its class. suffixes: how names of such files end; none where the class takes the URL."""

    name: str
    place: str
    suffixes: tuple[str, ...] = ()


_POSTGRES = _Database("Postgres", "file_cdk.destinations.postgres.destination:PostgresDestination")


BUILT_IN = {
    "duckdb": _Database("DuckDB", "file_cdk.destinations.duckdb:DuckDBDestination", (".duckdb", ".ddb")),
    "sqlite": _Database(
        "SQLite", "file_cdk.destinations.sqlite.destination:SqliteDestination", (".sqlite", ".sqlite3")
    ),
    "files": _Database("Files", "file_cdk.destinations.files.destination:FilesDestination", ("/",)),
    "delta": _Database("Delta", "file_cdk.destinations.delta:DeltaDestination", ("/",)),
    "iceberg": _Database("Iceberg", "file_cdk.destinations.iceberg:IcebergDestination"),
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
}

_INSTALLED = {"duckdb": "duckdb", "pyarrow": "pyarrow", "deltalake": "'file-cdk[delta]'"}
"""What pip installs to have a package that a destination's class needs."""


def destination_for(url: str, **of_folder: str | int | None) -> Destination:
    """The destination that a URL or path names; not opened, and nothing about it checked but its spelling.

    `sales.duckdb`, `/data/sales.ddb`, `sales.sqlite`: a path that ends like a database. Other file names need the URL form:
    `duckdb:///sales.db` is relative to the current folder and `duckdb:////data/sales.db` absolute, as SQLAlchemy and dlt
    read them; `duckdb:sales.db` and `duckdb:/data/sales.db` say the same with fewer slashes; `sqlite:` likewise, and `files:`
    for a folder of Parquet files, which a path that ends in a slash is too, and a prefix of a bucket: `s3://bucket/lake/`.
    `delta:` or `iceberg:`, and then such a folder or URL of a bucket, is one of Delta or Iceberg tables.
    What follows is the path as it is, without percent-decoding. `md:sales` is a DuckDB database at MotherDuck, and
    `postgres://user@host/database` a Postgres database. Any
    other scheme is looked up among the entry points of `file_cdk.destinations`. of_folder: options of
    FilesDestination. Raises ConfigError, also where one is not None and the destination is no folder.
    """
    if any(option is not None for option in of_folder.values()):
        return _folder(url, **of_folder)
    if url.startswith(BUCKETS):
        return _database(BUILT_IN["files"], url)
    scheme, colon, rest = url.partition(":")
    named = _by_suffix(url)
    if not colon or "/" in scheme:
        if named is None:
            raise _no_destination(url)
        return _database(named, url)
    if url.lower().startswith(MOTHERDUCK):
        return _database(BUILT_IN["duckdb"], _path_in(BUILT_IN["duckdb"], url, url))
    if (database := BUILT_IN.get(scheme.lower())) is not None:
        return _database(database, _path_in(database, url, rest) if database.suffixes else url)
    entry_point = _third_party().get(scheme.lower())
    if entry_point is None:
        if named is not None and not rest.startswith("//"):
            return _database(named, url)  # a file whose name has a colon in it
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


def _folder(url: str, **options: str | int | None) -> Destination:
    scheme, colon, rest = url.partition(":")
    if url.startswith(BUCKETS) or (url.endswith("/") and (not colon or "/" in scheme)):
        path = url
    elif scheme.lower() == "files":
        path = _path_in(BUILT_IN["files"], url, rest)
    else:
        raise ConfigError(
            f"{redacted(url)!r} is neither a folder nor stdout: nothing else has an output format, partitions or a size of files",
            remedy="Leave --output-format, --partition-by and --target-file-size out, or name a folder: lake/, s3://bucket/lake/",
        )
    return _database(BUILT_IN["files"], path, **options)


def _by_suffix(path: str) -> _Database | None:
    return next((database for database in BUILT_IN.values() if path.endswith(database.suffixes)), None)


def _database(database: _Database, path: str, **options: str | int | None) -> Destination:
    module, _, name = database.place.partition(":")
    try:
        factory: Any = getattr(import_module(module), name)
    except ModuleNotFoundError as exc:
        if exc.name not in _INSTALLED:
            raise
        raise ConfigError(
            f"a {database.name} destination needs the package {exc.name!r}, which is not installed",
            remedy=f"Install it: pip install {_INSTALLED[exc.name]}",
        ) from exc
    return cast(Destination, factory(path, **options))


def _no_destination(path: str) -> ConfigError:
    return ConfigError(
        f"{redacted(path)!r} is no destination: neither a URL, nor a file ending in .duckdb or .sqlite, nor a folder ending in /",
        remedy=f"For a DuckDB database of that name write {'duckdb:' + redacted(path)!r}",
    )


def _path_in(database: _Database, url: str, rest: str) -> str:
    """The database's path in what follows the scheme."""
    scheme, path = url.partition(":")[0].lower(), rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host or not slash:
            raise ConfigError(
                f"{redacted(url)!r} names a host where a path should be",
                remedy=f"Write {scheme + ':///' + redacted(url).partition('://')[2]!r}, with three slashes, or four for an "
                "absolute path",
            )
    if path in ("", ":memory:"):
        raise ConfigError(
            f"{url!r} names no file to keep the rows in", remedy=f"Write {scheme}:///name{database.suffixes[0]}"
        )
    if "?" in path and path.lower().startswith(MOTHERDUCK):
        raise ConfigError(
            f"{path.partition('?')[0]!r} has options after '?': a token there is seen by all who list processes",
            remedy="Set the environment variable motherduck_token, and name the database alone: md:shop",
        )
    if "?" in path:
        raise ConfigError(f"{redacted(url)!r} has options after '?', which a {database.name} destination does not take")
    return path


@cache
def _third_party() -> "dict[str, EntryPoint]":
    """By scheme, in alphabetical order; a built-in scheme cannot be taken over."""
    from importlib.metadata import entry_points  # takes 0.03 s, and most commands do without

    found = {point.name.lower(): point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {scheme: found[scheme] for scheme in sorted(found) if scheme not in BUILT_IN}
