"""What the pipeline reports while it syncs, as counts and lines on a display."""

from collections.abc import Mapping

from file_cdk.cli.display import Display
from file_cdk.cli.tally import Tally
from file_cdk.cli.wording import plural, reasons, size
from file_cdk.core.errors import FileCdkError, RowsRefusedError, TooManyRejectsError


class ProgressObserver:
    """The pipeline's SyncObserver. quiet: keeps all but the counts to itself. verbose: names every file as it ends."""

    def __init__(self, display: Display, tally: Tally, *, quiet: bool = False, verbose: bool = False) -> None:
        self.tally = tally
        self._display = display
        self._quiet = quiet
        self._verbose = verbose

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        self.tally.files += files
        self.tally.size_bytes += size_bytes
        if not self._quiet:
            left_out = f"; skipped: {reasons(skipped)}" if any(skipped.values()) else ""
            self._display.line(f"{stream}: {plural(files, 'file')} to read, {size(size_bytes)}{left_out}")
        self._display.show(self.tally)

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002 - the port's names
        self.tally.rows += rows
        self.tally.size_bytes_done += size_bytes
        self._display.show(self.tally)

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.tally.files_loaded += 1
        if self._verbose:
            self._display.line(f"{stream}: loaded {uri!r}, {plural(rows, 'row')}")
        self._display.show(self.tally)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        # The summary names the failed files; said here as well, each would stand twice in a log.
        self.tally.files_failed += 1
        self.tally.files_loaded -= isinstance(error, RowsRefusedError) and error.was_committed
        self.tally.files_over_limit += isinstance(error, TooManyRejectsError)
        if self._verbose:
            self._display.line(f"{stream}: failed {uri!r}: {error}")
        self._display.show(self.tally)

    def warned(self, message: str) -> None:
        if not self._quiet:
            self._display.line(f"warning: {message}")
