"""A folder on this machine that holds a tree of named files, each written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from file_cdk.core.errors import DestinationError
from file_cdk.core.system.limits import reason_and_remedy

TEMPORARY = ".file_cdk-"
"""How names begin of files that are not whole yet."""


@dataclass(frozen=True, slots=True)
class Folder:
    """root: the path, as the user named it. Names are relative to it, and have `/` between their parts.

    Each method raises DestinationError, where the system refuses what it does.
    """

    root: str

    def exists(self) -> bool:
        return Path(self.root).is_dir()

    def path(self, name: str) -> Path:
        return Path(self.root, name)

    def read(self, name: str) -> bytes:
        with self._translating(f"reading {name!r}"):
            return self.path(name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        """Durable when it returns."""
        with self._translating(f"writing {name!r}"), self._beside(name, data) as made:
            made.replace(self.path(name))
        self.make_durable(name)

    def put_new(self, name: str, data: bytes) -> bool:
        """As `put`, unless there is such a file already. Answers whether there was none."""
        with self._translating(f"writing {name!r}"), self._beside(name, data) as made:
            try:
                os.link(made, self.path(name))
            except FileExistsError:
                return False
        self.make_durable(name)
        return True

    def make_durable(self, name: str) -> None:
        """That a file of this name is there, and is not lost with the machine."""
        with self._translating(f"writing {name!r}"):
            folder = os.open(self.path(name).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def names(self, prefix: str) -> list[str]:
        """Of all files in the folder `prefix` and below it, sorted; none where there is no such folder."""
        with self._translating(f"listing {prefix!r}"):
            top = self.path(prefix)
            found = [path.relative_to(self.root).as_posix() for path in top.rglob("*") if path.is_file()]
        return sorted(found)

    def remove(self, name: str) -> None:
        """Also one that is gone already, and the folders that it leaves empty."""
        path = self.path(name)
        with self._translating(f"removing {name!r}"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            for parent in path.relative_to(self.root).parents[:-1]:
                Path(self.root, parent).rmdir()

    @contextmanager
    def _beside(self, name: str, data: bytes) -> Iterator[Path]:
        """A file of that content, to be given its name. It goes where that does not happen."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{TEMPORARY}{os.urandom(8).hex()}")
        try:
            with made.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield made
        finally:
            made.unlink(missing_ok=True)

    @contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            reason, remedy = reason_and_remedy(exc)
            raise DestinationError(f"folder {self.root!r}: {doing}: {reason}", remedy=remedy) from exc
