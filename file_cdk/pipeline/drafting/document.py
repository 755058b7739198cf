"""A draft as the text of a configuration, with comments that say what it was made from."""

from collections.abc import Iterator
from datetime import date
from shlex import quote

from file_cdk.pipeline.drafting.draft import Draft, StreamDraft
from file_cdk.pipeline.drafting.plain import literal, variable_of
from file_cdk.pipeline.drafting.yaml_text import comment, item, setting

_COLUMNS_SHOWN = 12


def document(draft: Draft, source: str, file_name: str, today: date) -> str:
    """source: what was looked at, as it may be shown. file_name: what the text is saved as."""
    return "\n".join(_lines(draft, source, file_name, today)) + "\n"


def sync_command(draft: Draft, file_name: str) -> str:
    """As it can be given to a shell."""
    return f"file-cdk sync {quote(file_name)} --to {quote(f'{draft.name}.duckdb')}"


def _lines(draft: Draft, source: str, file_name: str, today: date) -> Iterator[str]:
    counted = f"{_count(draft.listed, 'file')}" if draft.complete else f"the first {draft.listed:,} files"
    yield from comment(f"Written by `file-cdk init {quote(source)}` on {today.isoformat()}, from {counted} of it.")
    yield from comment(f"Load it with: {sync_command(draft, file_name)}")
    if draft.source != "file":
        yield from setting("source", draft.source)
    for name, value in draft.settings.items():
        yield from setting(name, value)
    if draft.secrets and not draft.variables:
        yield from comment(
            "Credentials are those that the environment has. To name others, set these variables and write:"
        )
        for name in draft.secrets:
            yield from comment(f"{name}: ${{{variable_of(draft.source, name)}}}")
    yield ""
    yield "streams:"
    for stream in draft.streams:
        yield from _stream(stream)
    if draft.counts:
        yield ""
        for reason, count in draft.counts.items():
            names = ", ".join(draft.left_out[reason])
            more = ", …" if count > len(draft.left_out[reason]) else ""
            yield from comment(f"Left out: {_count(count, 'file')}, {reason}: {names}{more}")


def _stream(stream: StreamDraft) -> Iterator[str]:
    indent = "  "
    yield from comment(f"{_count(stream.files, 'file')}, {stream.size_bytes:,} bytes, such as {stream.example}", indent)
    if stream.dialect is not None:
        yield from comment(f"CSV with {stream.dialect}", indent)
    if stream.columns:
        shown = [f"{name} {kind}" for name, kind in stream.columns.items()][:_COLUMNS_SHOWN]
        more = [f"and {len(stream.columns) - len(shown)} more"] if len(stream.columns) > len(shown) else []
        yield from comment(f"Columns: {', '.join([*shown, *more])}", indent)
    for note in stream.notes:
        yield from comment(f"Note: {note}", indent)
    yield from item(literal(stream.settings), indent)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
