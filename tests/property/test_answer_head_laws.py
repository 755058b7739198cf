"""The head of an answer that is there at once is read in one piece, and is what it is line by line."""

import socket

from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_cdk.declarative.http.network.wire import BrokenError, Wire

pieces = st.sampled_from(
    [
        "A",
        "b",
        "-",
        ":",
        ": ",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "é",
        "\x85",
        "Content-Length: 2",
        "Link: x",
        "a: 1",
    ]
)
lines = st.lists(pieces, max_size=4).map("".join)
heads = st.lists(lines, max_size=4).map("\r\n".join)


@given(st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.0 404", "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200", "FTP"]), heads)
@example("HTTP/1.1 200 OK", "a: 1\r\n b: 2")
@example("HTTP/1.1 200 OK", "a: 1\n\r\nb: 2")
@example("HTTP/1.1 200 OK", " a: 1\r\na: 2\r\nA: 3")
@settings(max_examples=300)
def test_heads_are_the_same_in_one_piece_and_line_by_line(status: str, head: str) -> None:
    text = f"{status}\r\n{head}\r\n\r\nok".encode("latin-1")
    assert read(text, Wire) == read(text, LineByLine)


class LineByLine(Wire):
    def _usual_head(self) -> None:
        return None


def read(text: bytes, kind: type[Wire]) -> object:
    """What the head says, and the body; or why there is none."""
    ours, its = socket.socketpair()
    with its:
        its.sendall(text)
    wire = kind(ours)
    try:
        head = wire.head("GET", 5)
        return head, list(head.headers.items()), b"".join(wire.body(head))
    except BrokenError as exc:
        return exc.reason
    finally:
        wire.close()
