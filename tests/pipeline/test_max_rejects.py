from datetime import UTC, datetime

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Reject, Rejects
from file_cdk.engine.ordering import FileTally
from file_cdk.pipeline.rejects import MaxRejects, rejected_facts, too_many


def tally(rows: int, *rejects: Reject) -> FileTally:
    found = Rejects()
    for reject in rejects:
        found.add(reject)
    return FileTally(RemoteFile("a.csv", 100, datetime(2024, 1, 1, tzinfo=UTC)), rows=rows, rejects=found)


@pytest.mark.parametrize(
    ("limit", "rows", "rejected", "allowed"),
    [
        ("0", 5, 0, True),
        ("0", 5, 1, False),
        ("2", 0, 2, True),
        ("2", 1000, 3, False),
        ("1%", 99, 1, True),
        ("1%", 98, 1, False),
        ("0.5%", 199, 1, True),
        ("100%", 1, 50, True),
        ("33.3%", 2001, 999, True),
        ("33.3%", 2000, 999, False),
    ],
)
def test_limits(limit: str, rows: int, rejected: int, allowed: bool) -> None:
    found = tally(rows, *(Reject(n + 1, None, "bad") for n in range(rejected)))
    assert MaxRejects.parse(limit).allow(found) is allowed


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "x", "1 %", "9" * 5000])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 10"):
        MaxRejects.parse(text)


def test_what_is_said_of_rejected_records() -> None:
    found = tally(
        7, *(Reject(n, n * 10, "too few values") for n in (2, 4, 6, 8)), Reject(9, None, "not valid utf8", b"secret")
    )
    assert rejected_facts(found.rejects) == (
        "5 records rejected: too few values (4: row 2 at byte 20, row 4 at byte 40, row 6 at byte 60, …), "
        "not valid utf8 (1: row 9)"
    )
    error = too_many(found, MaxRejects(3))
    assert (error.uri, error.row, error.byte) == ("a.csv", 2, 20)
    assert "the limit is 3" in str(error)
    assert "secret" not in str(error)
