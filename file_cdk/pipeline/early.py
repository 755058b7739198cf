"""What worker processes are forked from, started before a command's own imports and listing: little is imported here."""

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from itertools import accumulate, islice

from file_cdk.core.system.variables import MEMORY_VARIABLE

_IPC = "file_cdk.destinations.arrow_ipc"
_TABLES_OF_ANY = (_IPC, "dateutil.relativedelta")
"""The last: pyarrow looks for it when it converts its first value, which takes each worker 5 ms."""
_KERNELS = "file_cdk.engine.workers.arrow_compute"
"""What all but JSON that is passed on needs, and Parquet of a table's own types that is passed on as Arrow's."""
_TABLES_OF = {
    "csv": (
        "file_cdk.formats.csv.sniff.format",
        "file_cdk.formats.csv.sampling",
        "file_cdk.formats.csv.pieces",
    ),
    "jsonl": ("file_cdk.formats.jsonl.whole_lines",),
    "excel": ("file_cdk.formats.excel.arrow_columns",),
}
"""What formats import once they read tables."""
_READING = {"jsonl": "file_cdk.formats.jsonl.reading", "parquet": "file_cdk.formats.parquet.reading"}
"""What they import once they read anything."""
_ENCODERS = (
    (re.compile(r"postgres(ql)?:"), "file_cdk.destinations.postgres.encoder"),
    (re.compile(r"(s3|gs|az)://|files:|[^:]*/$"), "file_cdk.destinations.files.row_groups"),
)
"""How destinations are named whose rows workers encode."""
_ENCODING = {"file_cdk.destinations.files.row_groups": "pyarrow.parquet"}
"""What encoders import once they have rows."""
_COLUMNS_ENCODING = "file_cdk.protocol.record_encoding"
_SPLICING = "file_cdk.protocol.spliced_lines"
_SPLICED = frozenset(("jsonl", "excel"))
"""Formats whose records are JSON when they are decoded, which is passed on without Arrow."""

EVERY_JOB = (
    "file_cdk.formats.path_columns",
    "file_cdk.formats.unpacking",
    "file_cdk.compression.plain",
    "file_cdk.readers.archives.reader",
    "file_cdk.readers.local",
)

INLINE_BYTES = 8 << 20
"""Below this, starting processes (about 0.3 s) costs more than they save."""

_LOOKED_AT = 1000
"""Maximum files of a folder that are looked at before it is listed."""
_URL = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)

_started_early = False


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_worth_workers(source: str) -> bool:
    """Whether there is enough to read for processes, as far as one look tells: what a URL names may be; files below the folders
    of a folder are not looked for."""
    path = source[: next((at for at, char in enumerate(source) if char in "*?[{"), len(source))]
    folder = path if path == source else os.path.dirname(path) or os.curdir  # noqa: PTH120 - a start of pathlib takes 5 ms
    try:
        if stat.S_ISREG((found := os.stat(folder)).st_mode):  # noqa: PTH116 - as above
            return found.st_size >= INLINE_BYTES
        with os.scandir(folder) as entries:
            files = (entry.stat() for entry in islice(entries, _LOOKED_AT))
            return any(total >= INLINE_BYTES for total in accumulate(each.st_size for each in files))
    except (OSError, ValueError):
        return _URL.match(source) is not None


def filetype_seen(source: str) -> str | None:
    """Of a file, or of the first in a folder that says so by its name."""
    from file_cdk.formats.registry import kind_of  # it takes as long as all that is started before it

    try:
        with os.scandir(source) as entries:
            names = [entry.name for entry in islice(entries, _LOOKED_AT)]
    except (OSError, ValueError):
        names = [source]
    return next(filter(None, map(kind_of, names)), None)


def encoder_of_destination(named: str) -> str | None:
    """The module of the encoder, as far as the name tells."""
    return next((module for pattern, module in _ENCODERS if pattern.match(named)), None)


def modules_for_tables(filetype: str | None, encoder: str | None) -> tuple[str, ...]:
    """What reads such files into tables, for worker processes to import ahead. encoder: a module."""
    of_format = () if filetype is None else (_module_that_reads(filetype), *_TABLES_OF.get(filetype, ()))
    kernels = () if filetype == "parquet" and encoder in (None, _IPC) else (_KERNELS,)
    return tuple(filter(None, (*_TABLES_OF_ANY, *kernels, *of_format, encoder, _ENCODING.get(encoder or ""))))


def modules_for_records(filetype: str) -> tuple[str, ...]:
    """What decodes and encodes the records of such files, for worker processes to import ahead."""
    encoding = (_SPLICING,) if filetype in _SPLICED else (_KERNELS, _COLUMNS_ENCODING)
    module = _module_that_reads(filetype)
    return encoding if module is None else (*encoding, module)


def _module_that_reads(filetype: str) -> str | None:
    from file_cdk.formats.registry import module_of

    return _READING.get(filetype) or module_of(filetype)


def start_early(modules: Iterable[str], workers: int | None, *, forks: bool = False) -> None:
    """Starts the process that workers are forked from, before the caller's own imports and listing.

    modules: what it imports. forks: see `start_fork_server`.

    Both take about as long, on two cores at the same time. Should the work turn out to be little (see `Executors.for_work`),
    a moment of the other core was wasted; so it is not done where there is none. Until an `Executors` is made, `stop_early`
    ends it again.
    """
    global _started_early
    if workers != 0 and cpu_count() > 1:
        _started_early = True
        from file_cdk.engine.workers.forkserver import start_fork_server

        start_fork_server((*EVERY_JOB, *modules), forks=forks)


def start_for_tables(source: str, workers: int | None, memory_bytes: int | None) -> None:
    """Starts that process for a program that reads tables of `source`, before the program's own imports, if there may be work for
    it. It stays for what the program reads next."""
    is_free = memory_bytes is None and not os.environ.get(MEMORY_VARIABLE)
    if workers == 0 or not is_free or cpu_count() == 1 or not is_worth_workers(source):
        return
    from file_cdk.engine.workers.forkserver import start_fork_server

    with suppress(OSError):  # whoever needs it says why there is none
        start_fork_server(())  # which imports what every worker needs meanwhile
        start_fork_server((*EVERY_JOB, *modules_for_tables(filetype_seen(source), None)))


def stop_early() -> None:
    """Ends what `start_early` started: at once, also while it imports."""
    global _started_early
    if _started_early:
        _started_early = False
        from file_cdk.engine.workers.forkserver import stop_fork_server

        stop_fork_server()
