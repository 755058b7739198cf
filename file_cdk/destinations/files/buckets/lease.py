"""Which run may write into a bucket: a file that it renews while it lives."""

import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.core.uris import redacted
from file_cdk.destinations.run_lock import Holder

_LOCK = "_file_cdk/lock.json"

LEASE_S, RENEWED_EVERY_S = 60.0, 15.0
"""How long a lock of another machine's run counts that is not renewed any more, and how often it is, in seconds."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A file as it was found. version: what the store knows it by."""

    data: bytes
    modified_at: datetime
    version: Any


class VersionedStore(Protocol):
    """A bucket whose files can be written on condition. Each method raises DestinationError."""

    @property
    def root(self) -> str: ...

    def now(self) -> datetime: ...

    def remove(self, names: Iterable[str]) -> None: ...

    def found(self, name: str) -> Versioned | None: ...

    def put_over(self, name: str, data: bytes, version: Any) -> Any:
        """Writes it where it is of that version, or if None where there is none. Its new version; None if it was not written."""


class Lease:
    """A lock that its run renews while it lives: that of a run that died counts for LEASE_S more."""

    def __init__(self, store: VersionedStore, notice: bytes, version: Any) -> None:
        self._store, self._notice, self._version = store, notice, version
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="file_cdk-lease", daemon=True)
        self._renewing.start()

    @classmethod
    def hold(cls, store: VersionedStore, run: str) -> "Lease":
        """Raises DestinationInUseError."""
        notice = json.dumps({**asdict(Holder.this(run)), "system": _system()}).encode()
        if (version := store.put_over(_LOCK, notice, None)) is not None:
            return cls(store, notice, version)
        found = store.found(_LOCK)
        if found is None:
            return cls.hold(store, run)
        if _has_died(found.data) or store.now() - found.modified_at > timedelta(seconds=LEASE_S):
            version = store.put_over(_LOCK, notice, found.version)
            if version is not None:  # else another has taken it over
                return cls(store, notice, version)
        holder = Holder.parse(found.data)
        raise DestinationInUseError(
            f"{redacted(store.root)!r} is in use by {holder or 'another run'}",
            remedy=f"Wait until it has ended (--wait). If it was killed on another machine, that is known after {LEASE_S:g} s",
        )

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_EVERY_S):
            # Where it cannot be renewed, another may take it: then that one's manifest comes first, and this run is refused.
            with suppress(DestinationError):
                self._version = self._store.put_over(_LOCK, self._notice, self._version) or self._version

    def close(self) -> None:
        """Removes it, unless another run has taken it over meanwhile."""
        self._ended.set()
        self._renewing.join()
        found = self._store.found(_LOCK)
        if found is not None and found.data == self._notice:
            self._store.remove([_LOCK])


def _system() -> str:
    """Of which process ids are told apart: the same for processes of one container, until the machine starts again."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _has_died(notice: bytes) -> bool:
    """Whether the run that wrote it ran here, and does no more."""
    try:
        facts = json.loads(notice)
        return (
            bool(facts["system"]) and facts["system"] == _system() and not Path(f"/proc/{int(facts['pid'])}").exists()
        )
    except (ValueError, TypeError, KeyError):
        return False
