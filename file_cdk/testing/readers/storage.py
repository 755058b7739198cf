"""What the conformance suite asks of the store behind a reader: to put and delete files, and to make readers of them."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from file_cdk.core.ports import StreamReader


class RefusedKeyError(Exception):
    """The store does not keep a file under exactly this key."""


class Storage(Protocol):
    """One root, empty at first, and a way to change it behind the reader's back.

    What may be done besides are the Protocols below: have the methods, and the suite checks more.
    """

    def put(self, uri: str, data: bytes) -> None:
        """Stores, or replaces by a new version, the file of exactly this uri; who reads meanwhile sees either.

        Raises RefusedKeyError, or whatever the store raises, for a uri that it does not take. A store that would keep
        the file under another uri has to be made to refuse: the suite believes what it is told.
        """

    def delete(self, uri: str) -> None: ...

    def reader(self) -> StreamReader:
        """A new reader of the files that are there now. Called after they were put."""


@runtime_checkable
class PutsMany(Protocol):
    """A storage that is quicker at many small files than one `put` after another."""

    def put_many(self, files: Mapping[str, bytes]) -> None: ...


@runtime_checkable
class MissingRoot(Protocol):
    """A storage that can point a reader at nothing."""

    def missing_root_reader(self) -> StreamReader:
        """A reader of a bucket, container or folder that does not exist."""


@runtime_checkable
class Proxied(Protocol):
    """A storage behind a server that speaks HTTP/1.1 on this machine."""

    @property
    def port(self) -> int:
        """Of the server, on 127.0.0.1."""

    def reader_through(self, port: int) -> StreamReader:
        """A reader of the same root through a proxy on this port of 127.0.0.1.

        It tries again soon and often, for example by `RetryPolicy(tries=10, first_wait_s=0.01, longest_wait_s=0.05)`.
        """
