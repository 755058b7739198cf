import socket
from collections.abc import Iterator

import pytest
import requests
import urllib3
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from file_cdk.readers.connections import connection_fault
from file_cdk.testing.servers.process import free_ports


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_is_not_there() -> None:
    (port,) = free_ports(1)
    url = f"http://u:s3cret@127.0.0.1:{port}/b?sig=s3cret"
    expected = f"the connection to 127.0.0.1:{port} failed: it was refused"
    with pytest.raises(requests.ConnectionError) as by_requests:
        requests.get(url, timeout=5)
    assert connection_fault(by_requests.value) == expected
    with urllib3.PoolManager() as pool, pytest.raises(urllib3.exceptions.HTTPError) as by_urllib3:
        pool.request("GET", url, retries=False)
    assert connection_fault(by_urllib3.value) == expected
    wrapped = EndpointConnectionError(endpoint_url=url, error=by_urllib3.value)
    assert connection_fault(wrapped) == expected


def test_a_server_that_says_nothing(silent_port: int) -> None:
    with pytest.raises(requests.Timeout) as timeout:
        requests.get(f"http://127.0.0.1:{silent_port}/", timeout=0.2)
    assert connection_fault(timeout.value) == f"the connection to 127.0.0.1:{silent_port} failed: nothing came in time"
    assert connection_fault(ReadTimeoutError(endpoint_url="http://h/b?sig=s3cret")) == (
        "the connection to h failed: nothing came in time"
    )


def test_a_name_that_is_not_known_and_what_nobody_tells() -> None:
    unknown = OSError("outer")
    unknown.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert connection_fault(unknown) == "the connection failed: its host name is not known"
    assert connection_fault(ConnectionResetError()) == "the connection failed: it broke off"
    assert connection_fault(urllib3.exceptions.DecodeError("s3cret")) == "the connection failed: DecodeError"
    ring = ValueError()
    ring.__cause__ = ring
    assert connection_fault(ring) == "the connection failed: ValueError"
