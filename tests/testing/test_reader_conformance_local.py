"""The conformance suite against a folder, and against readers that are wrong in one way each."""

from dataclasses import dataclass
from pathlib import Path

from file_cdk.readers.local import LocalReader
from file_cdk.testing.reader_conformance import ReaderConformance, RefusedKeyError
from file_cdk.testing.servers.folder import write_atomically


@dataclass(frozen=True)
class FolderStorage:
    root: Path

    def put(self, uri: str, data: bytes) -> None:
        if {"", ".", ".."} & set(uri.split("/")):
            raise RefusedKeyError(f"no file has the path {uri!r}")
        write_atomically(self.root / uri, data)

    def delete(self, uri: str) -> None:
        (self.root / uri).unlink()

    def reader(self) -> LocalReader:
        return LocalReader(self.root)

    def missing_root_reader(self) -> LocalReader:
        return LocalReader(self.root / "nowhere")


class TestLocalReader(ReaderConformance):
    refused_keys = frozenset({"a//b.csv", "/lead.csv", "a/../c.csv", "./dot.csv", "beside/inside.csv"})

    def make_storage(self, tmp_path: Path) -> FolderStorage:
        (tmp_path / "root").mkdir()
        return FolderStorage(tmp_path / "root")
