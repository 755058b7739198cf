"""Objects as files of a folder, for servers that serve a folder."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from file_cdk.testing.servers.process import ChildServer


def write_atomically(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one. The new one has a new inode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".partial-{secrets.token_hex(8)}"
    partial.write_bytes(data)
    partial.replace(path)


class FolderServer(ChildServer):
    """A bucket is a folder of `_root`, which the server serves once it is started."""

    _root = Path()

    def create_bucket(self, name: str) -> None:
        (self._root / name).mkdir()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        write_atomically(self.path(bucket, key), data)

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        for key, data in objects.items() if isinstance(objects, Mapping) else objects:
            self.put(bucket, key, data)

    def delete(self, bucket: str, key: str) -> None:
        self.path(bucket, key).unlink()

    def keys(self, bucket: str) -> list[str]:
        folder = self._root / bucket
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def path(self, bucket: str, key: str) -> Path:
        """The file behind a key; raises PutRefusedError for a key that no file stands for."""
        raise NotImplementedError
