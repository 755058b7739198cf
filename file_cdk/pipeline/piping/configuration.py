"""The configuration of a source, which it may change: to have a token that was used up replaced by the next one, say."""

import json
import logging
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.pipeline.piping.secrets import Secrets

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SourceConfiguration:
    """current: as the source has it now. given_in: the file that it was read from, where a change is kept; None: of no file.
    handed_over: the file that the source is given."""

    source: str
    current: Any
    given_in: Path | None
    secrets: Secrets
    handed_over: Path | None = None

    def change(self, config: Mapping[str, Any]) -> None:
        """At once: what it says may be all that still opens the source. A file that cannot be written ends no run."""
        if config == self.current:
            return
        self.secrets.add(config)
        self.current = config
        if self.handed_over is not None:
            replace_json(self.handed_over, config)
        if self.given_in is None:
            _log.warning("%s: changed its configuration, which was given in no file and is not kept", self.source)
            return
        try:
            replace_json(self.given_in, config)
        except OSError as exc:
            _log.error(
                "%s: changed its configuration, which cannot be kept in %s: %s. The next run may be refused: renew the "
                "configuration first",
                self.source,
                self.given_in,
                exc.strerror,
            )
        else:
            _log.info("%s: changed its configuration, which is kept in %s", self.source, self.given_in)


def replace_json(path: Path, value: Any) -> None:
    """The file holds the old or the new, whatever happens, and may be read by those who could read it before. Raises OSError,
    also where it is no file of its own, such as a pipe."""
    path = path.resolve()  # a link stays a link
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no regular file")
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
            file.flush()
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), found.st_uid, found.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
