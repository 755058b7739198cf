"""The errors of deltalake, as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import CommitFailedError, DeltaError

from file_cdk.core.errors import DestinationError
from file_cdk.core.uris import redacted

_MAX_REASON_CHARACTERS = 300


@contextmanager
def translating(url: str, doing: str) -> Iterator[None]:
    """url: of the table."""
    try:
        yield
    except CommitFailedError as exc:
        raise changed_meanwhile(url, _reason(exc)) from exc
    except (DeltaError, OSError) as exc:
        raise DestinationError(f"Delta table {redacted(url)!r}: {doing}: {_reason(exc)}") from exc


def changed_meanwhile(url: str, reason: str) -> DestinationError:
    return DestinationError(
        f"Delta table {redacted(url)!r}: another writer has changed the table meanwhile: {reason}",
        remedy="Run it again: what it has not committed is loaded then",
    )


def _reason(exc: BaseException) -> str:
    """Without the answer's body. A URL may be signed."""
    line = str(exc).partition("\n")[0]
    return redacted(line.partition(": <")[0])[:_MAX_REASON_CHARACTERS]
