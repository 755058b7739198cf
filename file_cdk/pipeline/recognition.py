"""Of which format files are when nobody says it: what their endings tell, and what `--format` takes."""

import logging
from collections.abc import Sequence
from dataclasses import field

from file_cdk.core.config import FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, SeveralFormatsError
from file_cdk.core.files import RemoteFile
from file_cdk.core.uris import is_archive
from file_cdk.formats.registry import default_config, kind_of, kinds, kinds_of

_log = logging.getLogger(__name__)

NOT_RECOGNISED = "unknown extension"
_NAMES_SHOWN = 3


def default_format(filetype: str) -> FormatConfig:
    """Of what `--format` says."""
    if (config := default_config(filetype)) is None:
        raise ConfigError(f"format {filetype!r} is not supported", remedy=f"Supported: {', '.join(kinds())}")
    return config


def may_be_read(uri: str, kind: str | None) -> bool:
    """Whether a file of that kind is read when nobody says of what format it is."""
    # An archive that is listed itself could not be listed inside; reading it says why.
    return kind is not None or is_archive(uri)


@dataclass(slots=True)
class Recognised:
    """A rule of a selection that skips files of no known extension. kinds: the formats of the others."""

    kinds: set[str] = field(default_factory=set)
    _skipped: list[str] = field(default_factory=list)
    _others: int = 0

    def __call__(self, files: Sequence[RemoteFile]) -> list[str | None]:
        usable = [file.uri for file in files if not file.fault]
        kinds = kinds_of(usable)
        self.kinds.update(filter(None, kinds))
        if None not in kinds and len(usable) == len(files):
            self._others += len(files)
            return [None] * len(files)
        found = [None if file.fault else kind_of(file.uri) for file in files]
        reasons = [
            None if file.fault or may_be_read(file.uri, kind) else NOT_RECOGNISED
            for file, kind in zip(files, found, strict=True)
        ]
        unknown = [file.uri for file, reason in zip(files, reasons, strict=True) if reason]
        self._others += len(files) - len(unknown)
        self._skipped = sorted([*self._skipped, *unknown])[: _NAMES_SHOWN + 1]
        return reasons

    def warn_if_none(self) -> None:
        """After the listing: says so when there are files and all of them are skipped."""
        if self._skipped and not self._others:
            _log.warning("no file has a known extension: %s. %s", _listed(self._skipped), extension_hint())


def extension_hint() -> str:
    """What to do about files without a known extension."""
    return f"Say what they are with --format: {', '.join(kinds())}"


def _listed(names: Sequence[str]) -> str:
    """The first few names; `…` for any others."""
    return ", ".join([*map(repr, names[:_NAMES_SHOWN]), *(["…"] if len(names) > _NAMES_SHOWN else [])])


def format_of(kinds: set[str]) -> FormatConfig:
    """The one format that the files have; any, when they are archives that could not be opened. Raises ConfigError when
    they have several: then SeveralFormatsError."""
    if len(kinds) > 1:
        raise SeveralFormatsError(
            f"the files are of several formats: {', '.join(sorted(kinds))}",
            remedy=(
                "Sync one at a time with a pattern such as 'folder/**/*.csv', or 'folder/**/*.zip!**/*.csv' for files in "
                "archives; or name the format with --format"
            ),
        )
    return default_format(next(iter(kinds), "csv"))
