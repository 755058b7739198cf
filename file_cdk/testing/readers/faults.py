"""Conformance of a reader over a network that fails: everything comes right in the end, or an error comes soon."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import ClassVar

import pytest

from file_cdk.core.errors import AccessError, TransientError
from file_cdk.core.ports import Prefetching
from file_cdk.testing.checks import error_of, require, require_error, wrong
from file_cdk.testing.fault_proxy import FAULTS, Fault, FaultProxy, Pauses
from file_cdk.testing.readers.checks import (
    find,
    listed,
    noise,
    put_all,
    read_up_to,
    read_whole,
    require_bytes,
    require_uris,
    within,
)
from file_cdk.testing.readers.storage import Proxied, Storage

_MB = 1 << 20
_QUICK = Pauses(stall_s=0.05, slow_start_s=0.02, trickle_s=0.02, retry_after_s=1)


class FaultConformance:
    dead_server_s: ClassVar[float] = 15.0
    """A server that is gone is given up, by a reader of Proxied.reader_through, within this time."""

    faults: ClassVar[tuple[Fault, ...]] = FAULTS
    """What the network does, to one request in five."""

    def test_faults_change_nothing(self, storage: Storage) -> None:
        files = {f"{number % 3}/{number}.csv": noise(2_000 + number, "faults") for number in range(40)}
        files["large.bin"] = noise(3 * _MB)
        files["empty.csv"] = b""
        put_all(storage, files)
        with _proxy(storage, self.faults, rate=0.2) as (proxied, proxy):
            reader = proxied.reader_through(proxy.port)
            for _ in range(3):
                require_uris(listed(reader), files, "list_files(''), with faults,")
            require_uris(
                listed(reader, "1/"), [u for u in files if u.startswith("1/")], "list_files('1/'), with faults,"
            )
            found = listed(reader)
            for uri, data in files.items():
                require(found[uri].size_bytes == len(data), f"with faults, size_bytes of {uri!r} is wrong")
                require_bytes(read_whole(reader, found[uri]), data, f"{uri!r}, read with faults,")
            dice = random.Random(7)  # noqa: S311  reproducible by design
            with closing(reader.open(found["large.bin"])) as stream:
                for start in (dice.randrange(3 * _MB) for _ in range(10)):
                    stream.seek(start)
                    expected = files["large.bin"][start : start + 100_000]
                    require_bytes(read_up_to(stream, 100_000), expected, f"100000 bytes from {start}, with faults,")
            require(proxy.injected.total() > 0, "no request met a fault: does reader_through use the port it is given?")

    def test_a_dead_server_is_an_error_in_time(self, storage: Storage) -> None:
        storage.put("a.csv", noise(10_000))
        with _proxy(storage, (), rate=0.0) as (proxied, proxy):
            reader = proxied.reader_through(proxy.port)
            file = find(reader, "a.csv")
            proxy.die()
            for what, call in (
                ("listing", lambda: listed(reader)),
                ("opening and reading a file", lambda: read_whole(reader, file)),
            ):
                when = f"{what} while the server is gone"
                error = within(self.dead_server_s, lambda call=call: error_of(call), when)  # type: ignore[misc]
                require_error(error, (TransientError, AccessError), when)
            if isinstance(reader, Prefetching):
                error = error_of(lambda: reader.prefetch(file, 0, 10_000))
                require(error is None, f"prefetch raises {error!r} while the server is gone; errors belong to the read")
            proxy.heal()
            require_bytes(
                within(self.dead_server_s, lambda: read_whole(reader, file), "a read when the server is back"),
                noise(10_000),
                "a file, read when the server was back,",
            )

    def test_a_server_that_dies_within_a_file_does_not_end_it(self, storage: Storage) -> None:
        data = noise(12 * _MB, "dies")
        storage.put("a.bin", data)
        with _proxy(storage, (), rate=0.0) as (proxied, proxy):
            reader = proxied.reader_through(proxy.port)
            with closing(reader.open(find(reader, "a.bin"))) as stream:
                begun = read_up_to(stream, 1_000)
                proxy.die()
                try:
                    rest = within(
                        self.dead_server_s, lambda: read_up_to(stream, len(data)), "a read from a dead server"
                    )
                except (TransientError, AccessError):
                    return
        if len(begun + rest) < len(data):
            wrong(f"the server died, and the file ends without an error after {len(begun + rest)} of {len(data)} bytes")
        require_bytes(begun + rest, data, "a file whose server died while it was read")


@contextmanager
def _proxy(storage: Storage, faults: tuple[Fault, ...], rate: float) -> Iterator[tuple[Proxied, FaultProxy]]:
    if not isinstance(storage, Proxied):
        pytest.skip("the storage has no reader_through")
    with FaultProxy("127.0.0.1", storage.port, faults=faults, rate=rate, seed="conformance", pauses=_QUICK) as proxy:
        yield storage, proxy
