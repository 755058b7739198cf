"""One module per server: each starts a real server on a free loopback port over a temporary folder or in memory, and
stops it with everything it started. What a server does otherwise than the real service stands in its class docstring.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, Self


class Server(Protocol):
    """Something that runs between `start` and `stop`, or inside `with`. Starting twice is an error; stopping is not.

    `start` returns when the server has answered, and raises ServerStartError when it does not.
    """

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...


class ObjectServer(Server, Protocol):
    """A server of buckets (containers) and objects (blobs). All methods raise the vendor's error when it refuses."""

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:port`, for Azure with the account's name behind it. No trailing slash."""

    def create_bucket(self, name: str) -> None: ...

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Store one object under exactly this key; a server that would store it under another one refuses or says so
        in its class docstring."""

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        """The same for many small objects, several at a time. The order in which they arrive is not defined."""

    def delete(self, bucket: str, key: str) -> None: ...

    def keys(self, bucket: str) -> list[str]:
        """All keys, as the vendor's SDK lists them and in its order."""
