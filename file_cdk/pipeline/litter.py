"""The rule of a selection that passes over what other programs leave beside the data."""

from collections.abc import Sequence

from file_cdk.core.files import RemoteFile
from file_cdk.engine.listing import Decide
from file_cdk.readers.globbing import GlobPatterns


def no_litter(matcher: GlobPatterns) -> Decide:
    """See GlobPatterns.litter."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [matcher.litter(file.uri) for file in files]

    return decide
