"""A proxy between a client and a test server that breaks a seeded share of the answers, the way networks do."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Self

from file_cdk.testing.fault_connection import FaultConnection
from file_cdk.testing.faults import FAULTS, Fate, Fault, Pauses, fate_of
from file_cdk.testing.http_messages import Head
from file_cdk.testing.servers.process import free_ports

__all__ = ["FAULTS", "Fault", "FaultProxy", "Pauses", "fate_of"]

_WIND_UP_S = 0.5


class FaultProxy:
    """Listens on a free loopback port and passes each HTTP/1.1 request on to a server, unchanged: the client signs for
    the proxy's address, and the servers of this kit check signatures for whatever Host they are sent. Both sides keep
    their connections alive. Runs in threads; costs about 0.2 ms per request.

    faults: the kinds that may happen, equally likely. rate: share of the requests that meet one. seed: the n-th request
    (counted from 0 as they arrive) meets `fate_of(seed, n, rate, faults)`. applies_to: only requests that it accepts
    are counted and broken; the others pass. max_requests: after so many of any kind the proxy goes dead.

    injected: how often each kind happened. requests: how many were counted.
    """

    def __init__(
        self,
        upstream_host: str,
        upstream_port: int,
        *,
        faults: Iterable[Fault] = FAULTS,
        rate: float = 0.1,
        seed: object = 0,
        applies_to: Callable[[Head], bool] = lambda _request: True,
        max_requests: int = 1_000_000,
        pauses: Pauses = Pauses(),  # noqa: B008  frozen
    ) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._faults = tuple(faults)
        if unknown := set(self._faults) - set(FAULTS):
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        self._rate = rate if self._faults else 0.0
        self._seed = seed
        self._applies_to = applies_to
        self._max_requests = self._limit = max_requests
        self._pauses = pauses
        self.injected: Counter[Fault] = Counter()
        self.requests = 0
        self._seen = 0
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._connections: dict[threading.Thread, FaultConnection] = {}
        self._woken = threading.Event()
        [self.port] = free_ports(1)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dead(self) -> bool:
        return self._listener is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        if self._listener is None:
            self.heal()

    def stop(self) -> None:
        """Refuse and end all connections, and wait for the threads."""
        self.die()
        if self._acceptor is not None:
            self._acceptor.join()
        with self._lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            thread.join(_WIND_UP_S)
            connection.cut()  # one that was writing to a client that does not read
            thread.join()

    def die(self) -> None:
        """Reset all connections and refuse new ones until `heal`."""
        with self._lock:
            listener, self._listener = self._listener, None
            connections = list(self._connections.values())
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`; closing alone does not
            listener.close()
        self._woken.set()
        for connection in connections:
            connection.interrupt()

    def heal(self, max_requests: int | None = None) -> None:
        """Listen (again) on the same port, for another `max_requests`; without a number, for as many as before."""
        if self._listener is not None:
            return
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._woken = threading.Event()
        with self._lock:
            self._limit = self._seen + (self._max_requests if max_requests is None else max_requests)
            self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._acceptor.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            connection = FaultConnection(client, self._upstream, self._fate, self._count, self._pauses, self._woken)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                alive = self._listener is listener
                if alive:
                    self._connections[thread] = connection
                    thread.start()
            if not alive:
                connection.abort()

    def _serve(self, connection: FaultConnection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def _fate(self, request: Head) -> Fate:
        counted = self._applies_to(request)
        with self._lock:
            self._seen += 1
            exhausted = self._seen > self._limit
            number = self.requests
            self.requests += counted
        if exhausted:
            self.die()
            return Fate("reset")
        return fate_of(self._seed, number, self._rate, self._faults) if counted else Fate(None)

    def _count(self, fault: Fault) -> None:
        with self._lock:
            self.injected[fault] += 1
