"""A source's command line: its words, and what the source is called."""

import re
import shlex
from collections.abc import Sequence

from file_cdk.core.errors import ConfigError

_LAUNCHERS = re.compile(r"(python|pypy|node|java|ruby|uvx?|pipx|poetry|env|nice|docker|podman|nerdctl)[\d.]*")
"""Programs that run another, which is named among their arguments."""

_NAME = re.compile(r"[\w.-]+")


def words_of(command: str) -> list[str]:
    """As a shell splits it. Raises ConfigError, which does not show it: it may hold a secret."""
    try:
        words = shlex.split(command)
    except ValueError as exc:
        raise ConfigError(f"the source's command cannot be split into words: {exc}") from None
    if not words:
        raise ConfigError("the source's command is empty", remedy="Name a source, such as 'source-faker'")
    return words


def source_name(words: Sequence[str]) -> str:
    """What the source is called in the destination's ledger, whatever folder it is in: its program, or what that runs. Of other
    words nothing is kept, since they may be secrets."""
    program = _base(words[0])
    if not _LAUNCHERS.fullmatch(program):
        return program
    plain = [_base(word) for word in words[1:] if not word.startswith("-") and "=" not in word and "@" not in word]
    found = (name for name in plain if "source" in name and _NAME.fullmatch(name))
    return next(found, program)


def _base(word: str) -> str:
    """Without folder, or registry and version of an image."""
    return word.rstrip("/").rpartition("/")[2].partition(":")[0]
