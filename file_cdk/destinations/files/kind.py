"""Which kind of tables a folder has: a file in it says so, since its ledger is of one set of tables alone.

A sync of another kind would take the ledger's entries for its own, and the data files of the tables for nobody's.
"""

import json
from dataclasses import asdict

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.uris import redacted
from file_cdk.destinations.files.manifest import OWN, Manifest, numbered
from file_cdk.destinations.files.storage import Storage

_NAME = f"{OWN}/kind.json"
_EARLIER_ICEBERG = f"{OWN}/iceberg.json"
"""What earlier versions wrote, of Iceberg tables alone."""

_TABLES = {"files": "plain data files", "delta": "Delta tables", "iceberg": "Iceberg tables"}


@dataclass(frozen=True, slots=True)
class Kind:
    """name: a key of _TABLES. catalog, namespace: of Iceberg tables; no catalog: the folder's own."""

    name: str
    catalog: str | None = None
    namespace: str | None = None

    def __str__(self) -> str:
        if self.namespace is None:
            return _TABLES[self.name]
        of = "the folder's own catalog" if self.catalog is None else f"catalog {self.catalog!r}"
        return f"{_TABLES[self.name]} of namespace {self.namespace!r} in {of}"

    def url(self, root: str) -> str:
        """That names such tables there."""
        url = f"{redacted(root).rstrip('/')}/"
        if self.name == "files":
            return url
        options = [f"{name}={value}" for name in ("catalog", "namespace") if (value := getattr(self, name)) is not None]
        return f"{self.name}:{url}{'?' if options else ''}{'&'.join(options)}"


def claim(storage: Storage, kind: Kind) -> None:
    """As the one run that may write, before it changes anything. Raises ConfigError where the folder has others."""
    if not check(storage, kind):
        facts = {name: value for name, value in asdict(kind).items() if name == "name" or value is not None}
        storage.put_new(_NAME, json.dumps({"kind": facts.pop("name"), **facts}).encode())


def check(storage: Storage, kind: Kind) -> bool:
    """Whether the folder says that it has these; it may say nothing. Raises ConfigError where it has others, DestinationError."""
    noted = _noted(storage, _NAME)
    found = noted or _of_earlier_version(storage)
    if found is not None and found != kind:
        raise ConfigError(
            f"folder {redacted(storage.root)!r} has {found}, not {kind}",
            remedy=f"Name them: {found.url(storage.root)!r}. Or name another folder",
        )
    return noted is not None


def _noted(storage: Storage, name: str) -> Kind | None:
    try:
        facts = json.loads(storage.read(name))
    except DestinationError as exc:
        if isinstance(exc.__cause__, FileNotFoundError):
            return None
        raise
    except ValueError as exc:
        raise _damaged(storage, name) from exc
    if not isinstance(facts, dict):
        raise _damaged(storage, name)
    kind = Kind(
        facts.get("kind", "iceberg" if name == _EARLIER_ICEBERG else ""), facts.get("catalog"), facts.get("namespace")
    )
    if kind.name not in _TABLES:
        raise _damaged(storage, name)
    return kind


def _of_earlier_version(storage: Storage) -> Kind | None:
    """Told by what is there; None of a folder without tables."""
    if (found := _noted(storage, _EARLIER_ICEBERG)) is not None:
        return found
    names = numbered(storage.listed(f"{OWN}/manifests"))
    if not names:
        return None
    newest = Manifest.parse(names[-1], storage.read(names[-1]))
    folders = {file.path.partition("/")[0] for files in newest.tables.values() for file in files}
    if newest.awaits is not None or any(storage.listed(f"{folder}/_delta_log") for folder in sorted(folders)):
        return Kind("delta")
    return Kind("files") if folders else None


def _damaged(storage: Storage, name: str) -> DestinationError:
    return DestinationError(
        f"{redacted(storage.root)!r}: {name!r} is damaged, or a later version of file_cdk wrote it",
        remedy="Restore it from a backup, or install that version",
    )
