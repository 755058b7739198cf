"""Lines of JSON that are put together for speed: each is what `json.dumps` makes of the object that it stands for."""

import json
from dataclasses import asdict
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from file_cdk.cli import explain, ls
from file_cdk.cli.screen.json_text import entry_object
from file_cdk.cli.screen.wording import json_instant
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerEntry
from file_cdk.pipeline.inspection import InspectedFile
from file_cdk.pipeline.tables.explaining import Decision, ExplainedFile

TEXTS = st.text(st.characters(), max_size=8)  # with half surrogate pairs, as names of other bytes have
TIMES = st.datetimes(timezones=st.just(UTC))
FILES = st.builds(RemoteFile, TEXTS, st.integers(0, 1 << 62), TIMES, st.none() | TEXTS)
TEXT_OR_NONE = st.none() | TEXTS
SIZES = st.none() | st.integers(0, 1 << 62)


def version(file: RemoteFile) -> dict[str, object]:
    at = file.modified_at.replace(tzinfo=None).isoformat(timespec="microseconds")
    return {"size_bytes": file.size_bytes, "modified_at": f"{at}Z", "etag": file.etag}


@given(TEXTS, FILES, st.sampled_from(Decision), TEXTS)
def test_a_line_of_explain(stream: str, file: RemoteFile, decision: Decision, why: str) -> None:
    whole = {"stream": stream, "uri": file.uri, **version(file), "decision": decision.value, "why": why}
    assert explain._json_line(ExplainedFile(stream, file.uri, file, decision, why)) == json.dumps(whole)
    gone = {**whole, "size_bytes": None, "modified_at": None, "etag": None}
    assert explain._json_line(ExplainedFile(stream, file.uri, None, decision, why)) == json.dumps(gone)


@given(TEXTS, FILES, TEXT_OR_NONE, TEXT_OR_NONE)
def test_a_line_of_ls(stream: str, file: RemoteFile, kind: str | None, reason: str | None) -> None:
    decision = "read" if reason is None else "skip"
    whole = {"stream": stream, "uri": file.uri, **version(file), "format": kind, "decision": decision, "reason": reason}
    assert ls._json_line(InspectedFile(stream, file, kind, reason)) == json.dumps(whole)


ENTRIES = st.builds(
    LedgerEntry, TEXTS, TEXTS, TIMES, SIZES, TEXT_OR_NONE, SIZES, SIZES, TEXTS, TEXT_OR_NONE, TIMES, TEXTS, SIZES
)


@given(ENTRIES)
def test_an_entry_of_a_ledger(entry: LedgerEntry) -> None:
    assert json.dumps(entry_object(entry)) == json.dumps(asdict(entry), default=json_instant)
