"""A folder on this machine."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.destinations.files.storage import NewFile
from file_cdk.destinations.run_lock import RunLock

TEMPORARY = ".file_cdk-"
"""How names begin of files that are not whole yet."""


@dataclass(frozen=True, slots=True)
class Folder:
    """See Storage."""

    root: str

    def read(self, name: str) -> bytes:
        with self._translating(f"reading {name!r}"):
            return self._path(name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        with self._translating(f"reading {name!r}"):
            return self._path(name).open("rb")

    def put(self, name: str, data: bytes) -> None:
        with self._translating(f"writing {name!r}"), self._beside(name, data) as made:
            made.replace(self._path(name))
            self._sync_folder(name)

    def put_new(self, name: str, data: bytes) -> bool:
        with self._translating(f"writing {name!r}"), self._beside(name, data) as made:
            try:
                os.link(made, self._path(name))
            except FileExistsError:
                return False
            self._sync_folder(name)
        return True

    def create(self, name: str) -> NewFile:
        with self._translating(f"writing {name!r}"):
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            return _NewFile(self, name, path.open("xb"))

    def listed(self, prefix: str = "") -> Mapping[str, datetime]:
        found: dict[str, datetime] = {}
        with self._translating(f"listing {prefix!r}"):
            for path in self._path(prefix).rglob("*"):
                with suppress(FileNotFoundError):  # another run has just removed it, or given it its name
                    if path.is_file():
                        modified = path.stat().st_mtime
                        found[path.relative_to(self.root).as_posix()] = datetime.fromtimestamp(modified, UTC)
        return found

    def remove(self, names: Iterable[str]) -> None:
        """Also the folders that this leaves empty."""
        for name in names:
            with self._translating(f"removing {name!r}"):
                self._path(name).unlink(missing_ok=True)
            with suppress(OSError):
                for parent in Path(name).parents[:-1]:
                    self._path(str(parent)).rmdir()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def check(self) -> None:
        """A folder that is missing is created and removed again."""
        absent = not Path(self.root).is_dir()
        name = f"{TEMPORARY}check"
        self.put(name, b"")
        self.remove([name])
        if absent:
            Path(self.root).rmdir()

    def hold(self, run: str) -> RunLock:
        return RunLock.hold(self.root, run, "folder")

    def _path(self, name: str) -> Path:
        return Path(self.root, name)

    def _sync_folder(self, name: str) -> None:
        folder = os.open(self._path(name).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _beside(self, name: str, data: bytes) -> Iterator[Path]:
        """A file of that content, to be given its name. It goes where that does not happen."""
        path = self._path(name)
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


@dataclass(frozen=True, slots=True)
class _NewFile:
    """See NewFile."""

    folder: Folder
    name: str
    file: BinaryIO

    def finish(self) -> int:
        with self.folder._translating(f"writing {self.name!r}"):
            self.file.flush()
            os.fsync(self.file.fileno())
            size = self.file.tell()
            self.file.close()
            self.folder._sync_folder(self.name)
        return size

    def give_up(self) -> None:
        with suppress(OSError):
            self.file.close()
        self.folder.remove([self.name])
