"""Threads that share an API which has said that there were too many requests."""

import threading
import time
from collections.abc import Callable

from api_server import ApiServer, Asked, Parts, response
from clients import FakeClock

from file_cdk.declarative import answers
from file_cdk.declarative.http import Client, Request, Surroundings
from file_cdk.declarative.http.lanes import Lanes, Place
from file_cdk.declarative.http.network.transport import HttpTransport
from file_cdk.declarative.http.secrets import Secrets

URL = "https://api.example.com/users"
OTHER = "https://other.example.com/users"


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never does")


def refused(lanes: Lanes, wait_s: float = 0) -> Place:
    place = Place()
    lanes.refused(URL, wait_s, place)
    return place


def test_who_was_refused_goes_first_though_it_comes_later() -> None:
    lanes = Lanes(FakeClock(), threading.Event())
    order: list[str] = []
    place = refused(lanes)

    def other() -> None:
        with lanes.taken(URL, Place()):
            order.append("other")

    def again() -> None:
        until(lambda: len(lanes._limited["https://api.example.com"]._waiting) == 2)
        with lanes.taken(URL, place):
            order.append("again")

    in_threads(other, again)
    assert order == ["again", "other"]


def in_threads(*runs: Callable[[], None]) -> None:
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_others_wait_as_long_as_the_one_that_was_refused() -> None:
    clock = FakeClock()
    lanes = Lanes(clock, threading.Event())
    with lanes.taken(URL, Place()):
        lanes.left(refused(lanes, 5))
    with lanes.taken(OTHER, Place()):
        assert clock.waits == []
    with lanes.taken(URL, Place()):
        assert clock.waits == [5]
    with lanes.taken(URL, Place()):
        assert clock.waits == [5]


def test_one_goes_at_a_time_and_the_one_that_was_refused_most_often_first() -> None:
    lanes = Lanes(FakeClock(), threading.Event())
    lanes.left(refused(lanes))
    order: list[int] = []
    waiting = threading.Semaphore(0)

    def first() -> None:
        with lanes.taken(URL, Place()):
            until(lambda: len(lanes._limited["https://api.example.com"]._waiting) == 3)
            order.append(0)

    def later(attempt: int) -> Callable[[], None]:
        def run() -> None:
            waiting.acquire()
            with lanes.taken(URL, Place(attempt)):
                order.append(attempt)

        return run

    def release() -> None:
        until(lambda: lanes._limited["https://api.example.com"].under_way == 1)
        waiting.release(3)

    in_threads(first, release, later(1), later(3), later(2))
    assert order == [0, 3, 2, 1]


def test_successes_let_more_go_at_once() -> None:
    lanes = Lanes(FakeClock(), threading.Event())
    lanes.left(refused(lanes))
    for _ in range(8):
        lanes.succeeded(URL)
    with lanes.taken(URL, Place()), lanes.taken(URL, Place()):
        assert lanes._limited["https://api.example.com"].allowed == 2
    for _ in range(8 * 62):
        lanes.succeeded(URL)
    assert lanes._limited == {}


def test_a_run_that_ends_waits_for_nobody() -> None:
    stopped = threading.Event()
    lanes = Lanes(FakeClock(), stopped)
    lanes.left(refused(lanes))
    with lanes.taken(URL, Place()):
        stopped.set()
        with lanes.taken(URL, Place()):
            pass


class Fast:
    """A clock that runs two hundred times as fast as others."""

    def now_s(self) -> float:
        return time.monotonic() * 200

    def elapsed_s(self) -> float:
        return time.monotonic() * 200

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        stopped.wait(seconds / 200)


def test_many_threads_come_through_an_api_that_takes_few_requests() -> None:
    """One in ten seconds. Where each thread goes on by itself, one or another is refused six times."""
    clock, lock = Fast(), threading.Lock()
    free_s = 0.0

    def api(_: Asked) -> Parts:
        nonlocal free_s
        with lock:
            if clock.elapsed_s() < free_s:
                return response(429, headers={"Retry-After": f"{free_s - clock.elapsed_s():.2f}"})
            free_s = clock.elapsed_s() + 10
            return response()

    strategy = {"type": "WaitTimeFromHeader", "header": "Retry-After"}
    handler = answers.compiled({"type": "DefaultErrorHandler", "backoff_strategies": [strategy]}, "stream 'users'")
    secrets, done = Secrets(), list[int]()
    with ApiServer(api) as server:
        client = Client(HttpTransport(secrets), {}, secrets, None, Surroundings(clock=clock, jitter=lambda: 0.0))

        def send() -> None:
            for _ in range(3):
                done.append(client.send(Request("GET", server.url), handler, None, {}).response.status)

        in_threads(*[send] * 8)
        client.close()
    assert done == [200] * 24
