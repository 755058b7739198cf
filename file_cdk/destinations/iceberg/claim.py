"""Which catalog and namespace have the tables of a folder: a file in it says so, since its ledger is of one set of tables alone.

With the tables of another namespace the ledger would take its own for dropped, and vacuum would take their files for nobody's.
"""

import json

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.destinations.files.manifest import OWN
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.iceberg.place import TablesUrl

_NAME = f"{OWN}/iceberg.json"


def claim(storage: Storage, url: TablesUrl) -> None:
    """As the one run that may write. Raises ConfigError where it is another's."""
    if not storage.put_new(_NAME, json.dumps(_facts(url)).encode()):
        check(storage, url)


def check(storage: Storage, url: TablesUrl) -> None:
    """Also of a folder that nobody has claimed. Raises ConfigError, DestinationError."""
    try:
        found = json.loads(storage.read(_NAME))
    except DestinationError as exc:
        if isinstance(exc.__cause__, FileNotFoundError):
            return
        raise
    except ValueError as exc:
        raise DestinationError(f"{url.root!r}: {_NAME!r} is damaged", remedy="Restore it from a backup") from exc
    if found != _facts(url):
        raise ConfigError(
            f"the tables in {url.root!r} are of {_named(found)}, not of {_named(_facts(url))}",
            remedy="Name those, or another folder",
        )


def _facts(url: TablesUrl) -> dict[str, str | None]:
    return {"catalog": url.catalog, "namespace": ".".join(url.namespace)}


def _named(facts: dict[str, str | None]) -> str:
    catalog = facts.get("catalog")
    of = "the folder's own catalog" if catalog is None else f"catalog {catalog!r}"
    return f"namespace {facts.get('namespace')!r} in {of}"
