"""The record of a sync in its destination: when, of what, with which options, what came of it."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import Any

from file_cdk.core.config.model import ConfigModel, fields_of
from file_cdk.core.errors import DestinationError
from file_cdk.core.exit_codes import known_error, of_error
from file_cdk.core.ledger import RunCounts, RunLog
from file_cdk.core.ports import Destination
from file_cdk.core.uris import redacted
from file_cdk.core.version import VERSION
from file_cdk.pipeline.tables.report import StreamReport, StreamResult, SyncResult


@contextmanager
def recorded(
    destination: Destination,
    source: str,
    options: Any,
    reports: Sequence[StreamReport],
    results: Sequence[StreamResult],
) -> Iterator[None]:
    """While entered, the run goes on. options: a dataclass. reports: of the streams that were begun; results: of those that came
    to their end."""
    if not isinstance(destination, RunLog):
        yield
        return
    destination.begin_run(VERSION, redacted(source), _spelled(options))
    try:
        yield
    except BaseException as exc:
        interrupted = isinstance(exc, KeyboardInterrupt)
        error = known_error(exc)
        code = None if interrupted else int(of_error(error))
        with suppress(DestinationError):  # what ended the run tells more
            destination.end_run(code, "interrupted" if interrupted else str(error), _counts(reports, results))
        raise
    code = SyncResult(tuple(results), 0, ()).exit_code
    destination.end_run(code, None, _counts(reports, results))


def _counts(reports: Sequence[StreamReport], results: Sequence[StreamResult]) -> RunCounts:
    """Of a stream that did not come to its end, its report has what was done so far."""
    all_results = [*results, *(report.result({}) for report in reports[len(results) :])]
    return RunCounts(
        files_read=sum(each.files_read for each in all_results),
        files_failed=sum(each.files_failed for each in all_results),
        files_skipped=sum(sum(each.skipped.values()) for each in all_results),
        files_removed=sum(each.removed for each in all_results),
        rows=sum(each.rows for each in all_results),
        rejected=sum(each.rejected for each in all_results),
        size_bytes=sum(each.size_bytes for each in all_results),
    )


def _spelled(options: Any) -> str:
    """Those that are not the default."""
    default = type(options)()
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    return json.dumps(changed, default=_as_data)


def _as_data(value: Any) -> Any:
    if not isinstance(value, ConfigModel):
        return str(value)
    default, declared = vars(type(value)()), fields_of(type(value))
    return {
        name: each
        for name, each in vars(value).items()
        if each != default[name] and (declared[name].spec.shown or _names_a_variable(each))
    }


def _names_a_variable(value: Any) -> bool:
    """Whether that is all that it says of a secret."""
    return isinstance(value, str) and re.fullmatch(r"\$\{\w+\}", value) is not None
