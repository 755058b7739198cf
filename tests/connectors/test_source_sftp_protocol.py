"""source-sftp's side of the protocol, against answers that few servers give."""

import stat
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from source_sftp.config import SftpConfig
from source_sftp.protocol import IN_FLIGHT_BYTES, REQUEST_BYTES, Session, StatusError
from source_sftp.sdk import Connection
from source_sftp.store import SftpStore

from file_cdk import FileAccessError, Page, RemoteFile, TransientError
from file_cdk.core.config import parse_config

CLOSE, READ, LSTAT, OPENDIR, READDIR, REALPATH, STAT = 4, 5, 7, 11, 12, 16, 17
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
END_OF_FILE = struct.pack(">I", 1)
DATA_OF_FILE = bytes(range(251)) * 1000

Answers = Callable[[int, bytes], tuple[int, bytes]]


class ScriptedChannel:
    """Answers each request as `answer(kind, body)` says, those of one write in reverse order; then as `at_end` says.

    max_bytes: after so many of them the answers to a write are cut off.
    """

    def __init__(self, answer: Answers, at_end: bytes | Exception = b"", max_bytes: int | None = None) -> None:
        self.answer = answer
        self.at_end = at_end
        self.max_bytes = max_bytes
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        answers = []
        while data:
            length, kind, number = struct.unpack_from(">IBI", data)
            answered, body = self.answer(kind, data[9 : 4 + length])
            answers.append(struct.pack(">IBI", 5 + len(body), answered, number) + body)
            data = data[4 + length :]
        self.sent += b"".join(reversed(answers))[: self.max_bytes]

    def recv(self, nbytes: int) -> bytes:
        if not self.sent and isinstance(self.at_end, Exception):
            raise self.at_end
        part, self.sent = self.sent[: min(nbytes, 7000)], self.sent[min(nbytes, 7000) :]
        return part


def _session(answer: Answers) -> Session:
    channel: Any = ScriptedChannel(answer)
    return Session(channel, "the server")


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _file(max_bytes: int) -> Answers:
    """Gives at most so many bytes of DATA_OF_FILE for a request."""

    def answer(kind: int, body: bytes) -> tuple[int, bytes]:
        if kind == LSTAT:
            return ATTRS, struct.pack(">IQ", 1, len(DATA_OF_FILE))
        if kind != READ:
            return STATUS, struct.pack(">I", 0)
        start, size = struct.unpack(">QI", body[-12:])
        data = DATA_OF_FILE[start : start + min(size, max_bytes)]
        return (DATA, _string(data)) if data else (STATUS, END_OF_FILE)

    return answer


def _listing(*entries: tuple[bytes, bytes, bytes], count: int | None = None) -> Answers:
    """Of one folder: names, lines and attributes."""
    names = struct.pack(">I", len(entries) if count is None else count)
    names += b"".join(_string(name) + _string(line) + attributes for name, line, attributes in entries)
    answers = iter([(HANDLE, _string(b"h")), (NAME, names), (STATUS, END_OF_FILE), (STATUS, bytes(4))])
    return lambda *_: next(answers)


@pytest.mark.parametrize("max_bytes", [1000, REQUEST_BYTES - 1, REQUEST_BYTES])
def test_short_answers_and_answers_in_another_order_are_joined(max_bytes: int) -> None:
    assert b"".join(_session(_file(max_bytes)).read(b"h", 3, 200_000)) == DATA_OF_FILE[3:200_000]


def test_a_file_that_ends_early_gives_what_it_has() -> None:
    assert b"".join(_session(_file(REQUEST_BYTES)).read(b"h", 5, IN_FLIGHT_BYTES)) == DATA_OF_FILE[5:]


def test_answers_to_a_read_that_was_left_are_passed_over() -> None:
    session = _session(_file(REQUEST_BYTES))
    pieces = session.read(b"h", 0, 200_000)
    next(pieces)
    pieces.close()
    session.close_later(b"h")
    assert session.lstat(b"f").size_bytes == len(DATA_OF_FILE)
    assert b"".join(session.read(b"h", 7, 9)) == DATA_OF_FILE[7:9]


def test_the_kind_of_a_file_is_taken_from_its_line_when_there_is_no_mode() -> None:
    session = _session(
        _listing(
            (b"f", b"-rw-r--r-- 1 u g 3 Nov 29 f", bytes(4)),
            (b"d\xe9", b"drwxr-xr-x 1 u g 3 Nov 29 d", bytes(4)),
            (b"l", b"lrwxr-xr-x 1 u g 3 Nov 29 l", struct.pack(">I", 0x80000000) + struct.pack(">I", 0)),
            (b"?", b"", bytes(4)),
            (b"m", b"drwxr-xr-x", struct.pack(">II", 4, stat.S_IFREG)),
        )
    )
    kinds = [(name, attributes.kind) for name, attributes in session.entries(b"/")]
    regular, folder, link = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
    assert kinds == [(b"f", regular), (b"d\xe9", folder), (b"l", link), (b"?", 0), (b"m", regular)]


def test_a_packet_that_is_cut_off_is_no_listing() -> None:
    with pytest.raises(TransientError, match="cut off"):
        list(_session(_listing((b"f", b"-", bytes(4)), count=2)).entries(b"/"))


def test_more_data_than_was_asked_for_is_refused() -> None:
    with pytest.raises(TransientError, match="more than was asked for"):
        list(_session(lambda *_: (DATA, _string(b"12345"))).read(b"h", 0, 4))


def test_refusals_keep_their_number_and_lost_connections_may_come_back() -> None:
    with pytest.raises(StatusError) as caught:
        _session(lambda *_: (STATUS, struct.pack(">I", 3) + _string(b"no") + _string(b"en"))).lstat(b"f")
    assert caught.value.code == 3
    for code in (6, 7):
        with pytest.raises(TransientError, match="lost its connection"):
            _session(lambda *_, code=code: (STATUS, struct.pack(">I", code))).lstat(b"f")
    with pytest.raises(TransientError, match="out of order"):
        _session(lambda *_: (HANDLE, _string(b"h"))).lstat(b"f")


@pytest.mark.parametrize(
    ("at_end", "told"),
    [(b"", "closed the connection"), (TimeoutError(), "stopped sending"), (OSError(), "broke off")],
)
def test_a_connection_that_ends_in_an_answer_may_come_back(at_end: bytes | Exception, told: str) -> None:
    channel: Any = ScriptedChannel(_file(REQUEST_BYTES), at_end, max_bytes=1000)
    with pytest.raises(TransientError, match=told):
        list(Session(channel, "the server").read(b"h", 0, REQUEST_BYTES))


FOLDER_ATTRIBUTES = struct.pack(">II", 4, stat.S_IFDIR)


class _LoggedIn:
    def get_transport(self) -> "_LoggedIn":
        return self

    def is_active(self) -> bool:
        return True


def _refusing_long_names(code: int) -> Answers:
    """An empty folder, of a server that answers for the status of a name of more than 255 bytes with `code`."""

    def answer(kind: int, body: bytes) -> tuple[int, bytes]:
        if kind in (STAT, LSTAT):
            path = body[4:]
            if len(path.rpartition(b"/")[2]) > 255:
                return STATUS, struct.pack(">I", code)
            return (ATTRS, FOLDER_ATTRIBUTES) if path == b"/" else (STATUS, struct.pack(">I", 2))
        if kind == REALPATH:
            return NAME, struct.pack(">I", 1) + _string(b"/") + _string(b"") + bytes(4)
        if kind == OPENDIR:
            return HANDLE, _string(b"h")
        return STATUS, END_OF_FILE if kind == READDIR else struct.pack(">I", 2)

    return answer


@pytest.mark.parametrize("code", [2, 4, 5])
def test_a_name_that_is_too_long_for_the_server_is_that_of_no_file(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = _LoggedIn()
    monkeypatch.setattr("source_sftp.sdk.connect", lambda _: Connection(client, _session(_refusing_long_names(code))))
    streams = [{"name": "s", "format": {"filetype": "csv"}}]
    store = SftpStore(parse_config(SftpConfig, {"host": "h", "username": "u", "streams": streams}))
    assert store.list_page("n" * 256 + "/", None) == Page([])
    # A name that may stand for two on the server.
    file = RemoteFile("n" * 256 + "%E9", 3, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(FileAccessError, match="gone since it was listed"):
        list(store.get(file, 0, 3))
