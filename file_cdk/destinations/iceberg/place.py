"""What the URL of an Iceberg destination says: where the tables are, in which namespace, and in which catalog."""

import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qsl

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.uris import redacted
from file_cdk.destinations.registry import BUCKETS

OWN_CATALOG = "catalog.sqlite"
"""In a folder, unless another catalog is named."""

_DEFAULT = "default"
_OPTIONS = ("catalog", "namespace")


@dataclass(frozen=True, slots=True)
class TablesUrl:
    """root: a folder, or the URL of a bucket's prefix. catalog: as pyiceberg's configuration calls it; None: the folder's own."""

    root: str
    namespace: tuple[str, ...] = (_DEFAULT,)
    catalog: str | None = None

    @classmethod
    def parse(cls, url: str) -> "TablesUrl":
        """`iceberg:lake/?namespace=sales`. Slashes as in other URLs of destinations. Raises ConfigError."""
        where, _, query = url.partition(":")[2].partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if unknown := [name for name in options if name not in _OPTIONS]:
            raise ConfigError(
                f"an Iceberg destination has no option {unknown[0]!r}", remedy=f"It has: {', '.join(_OPTIONS)}"
            )
        namespace = tuple(options.get("namespace", _DEFAULT).split("."))
        if not all(namespace):
            raise ConfigError(f"{options['namespace']!r} is no namespace", remedy="Give it a name")
        in_bucket = where.startswith(BUCKETS)
        if in_bucket and not where.startswith("s3://"):
            raise ConfigError(
                f"Iceberg tables cannot be in {redacted(where)!r} yet: only S3 is tried",
                remedy="Write iceberg:s3://BUCKET/PREFIX/, or a folder",
            )
        root = where if in_bucket else _folder(url, where)
        catalog = options.get("catalog", _DEFAULT if in_bucket else None)
        return cls(root.rstrip("/") or "/", namespace, catalog)

    @property
    def location(self) -> str:
        """The root, as the tables' metadata name it."""
        return self.root if self.root.startswith(BUCKETS) else f"file://{Path(self.root).resolve()}"


def _folder(url: str, where: str) -> str:
    if where.startswith("//"):
        host, slash, where = where[2:].partition("/")
        if host or not slash:
            raise ConfigError(
                f"{redacted(url)!r} names a host where a folder should be",
                remedy="Write iceberg:FOLDER/, or iceberg:s3://BUCKET/PREFIX/",
            )
    if not where:
        raise ConfigError("the URL names no folder for the tables", remedy="Write iceberg:FOLDER/")
    if set(str(Path(where).resolve())) & set("#?%"):
        raise ConfigError(
            f"Iceberg tables cannot be in {where!r}: their libraries read no path with '#', '?' or '%' in it",
            remedy="Name another folder",
        )
    return where


def folder_of(stream: str) -> str:
    """The folder of a stream's table, below the root: of letters and digits alone, which every library reads as they are."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", stream)
    if plain == stream and plain != "_file_cdk":
        return stream
    return f"{plain[:100]}-{hashlib.sha256(stream.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
