"""Files that failed in an earlier sync and are not in the source any more: the ledger need not name them for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Matcher, StreamTable
from file_cdk.core.uris import split_member

MAX_FAILURES = 10_000
"""So many uris are held at a time; of more failures, later syncs forget the rest."""


@dataclass(slots=True)
class EarlierFailures:
    """Told of every file of a listing, in chunks; what it was not told of is gone once the listing is complete."""

    unseen: set[str]
    archives: set[str] = field(init=False)
    """Those with failed members; one that cannot be listed inside is listed as a file, and its members may be there."""

    def __post_init__(self) -> None:
        self.archives = {member[0] for member in map(split_member, self.unseen) if member is not None}

    @classmethod
    def of(cls, table: StreamTable) -> "EarlierFailures":
        return cls(set(table.failed(MAX_FAILURES)))

    def look(self, files: Sequence[RemoteFile]) -> list[str | None]:
        """As a rule that skips nothing; the first of all, since files that others skip are there."""
        if self.unseen:
            uris = {file.uri for file in files}
            self.unseen -= uris
            if closed := self.archives & uris:
                self.unseen = {uri for uri in self.unseen if (split_member(uri) or ("",))[0] not in closed}
            for folder in (file.uri for file in files if file.is_closed_folder):
                self.unseen = {uri for uri in self.unseen if not uri.startswith(folder)}
        return [None] * len(files)

    def gone(self, matcher: Matcher) -> list[str]:
        """Those that the patterns would have listed: others may be there. To be asked after a listing without an error."""
        return sorted(uri for uri in self.unseen if matcher.matches(uri))
