"""To which table a file belongs where the files of one source are of several formats.

A table's name follows from the file's uri alone, so that no file that is added or goes ever renames another's table.
"""

from file_cdk.core.dataclass import dataclass
from file_cdk.core.uris import split_member
from file_cdk.formats.registry import kind_of
from file_cdk.readers.globbing import GlobPatterns


@dataclass(frozen=True, slots=True)
class Division:
    """name: of the source, as its table would be called. base: what the uris of all files begin with; top folders are those
    below it. whole: the format whose files are all in the table `name`, since they were before there were others."""

    name: str
    base: str
    whole: str | None = None

    def table_of(self, uri: str) -> str | None:
        """None for a file of no known extension."""
        kind = kind_of(uri)
        return None if kind is None else self.table_of_kind(uri, kind)

    def table_of_kind(self, uri: str, kind: str) -> str:
        """As `table_of`, of a file whose kind is known."""
        return self.name if kind == self.whole else "_".join(filter(None, (self.name, self.top_of(uri), kind)))

    def top_of(self, uri: str) -> str:
        """The folder that the file is in below `base`, or a folder in that; empty for none. `key=value` is no folder but a
        column, and an archive counts as the file that it is, unless it is the source itself."""
        if uri.startswith(self.base):
            uri = uri[len(self.base) :]
        outer, _ = split_member(uri) or (uri, "")
        top, slash, _ = outer.partition("/")
        return top if slash and "=" not in top else ""


@dataclass(frozen=True, slots=True)
class PartOfPatterns:
    """Of the uris that patterns match, those of one table; has of GlobPatterns what a stream asks for.

    top: the folder that all of them are in; empty where they are in several. takes_rest: also what is of no known extension, so
    that it is told of once.
    """

    patterns: GlobPatterns
    division: Division
    table: str
    top: str
    takes_rest: bool = False

    @property
    def prefixes(self) -> tuple[str, ...]:
        inside = f"{self.division.base}{self.top}/"
        is_narrower = self.top and not self.takes_rest and any(map(inside.startswith, self.patterns.prefixes))
        return (inside,) if is_narrower else self.patterns.prefixes

    def matches(self, uri: str) -> bool:
        if not self.patterns.matches(uri):
            return False
        table = self.division.table_of(uri)
        return table == self.table or (table is None and self.takes_rest)

    def litter(self, uri: str) -> str | None:
        return self.patterns.litter(uri)

    def opens(self, archive_uri: str) -> bool:
        return self.patterns.opens(archive_uri)
