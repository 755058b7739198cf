"""The members of archives as files of their own: a reader around another reader.

What deals with archives is imported when the first one is met: most syncs meet none, and every worker would pay for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any, Protocol

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Matcher, StreamReader, prefetching, stop_fetching
from file_cdk.core.uris import is_archive, split_member

if TYPE_CHECKING:
    from file_cdk.readers.archives.access import Archives

MAX_MEMBERS = 100_000
"""Maximum number of entries of one archive, folders and links included; an archive with more is refused."""


class MatchesMembers(Matcher, Protocol):
    """As readers.globbing.GlobPatterns does."""

    def opens(self, archive_uri: str) -> bool:
        """Whether members of an archive of this uri may match."""


@dataclass(frozen=True, slots=True)
class ArchiveReader:
    """The files of `inner`, and in place of each archive that `matcher` wants opened its members; a StreamReader.

    A member is `archive.zip!path/inside`, as old as its archive, and another version when the archive is. An archive is
    known by its name alone: zip, tar, and tar compressed with gzip, bzip2, xz or zstd. Archives inside archives are not
    opened. Of two members with one name the later counts. Nothing is ever unpacked under the name of a member.

    An archive that cannot be listed to its end is listed as a file, and opening that says why: the others go on.

    Listing reads a zip's directory, a tar's headers, and all of a compressed tar. Reading a member of a compressed tar
    unpacks that into a temporary file, once per process, of which two are kept; zip members and those of a plain tar are
    read where they lie.
    """

    inner: StreamReader
    matcher: MatchesMembers | None
    """None in a worker, where nothing is listed."""
    max_expansion_ratio: int = 200
    """See compression.plain.PlainStream; archives as a whole are held to it as well."""
    max_members: int = MAX_MEMBERS
    _archives: list["Archives"] = field(default_factory=list, init=False, repr=False, compare=False)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        """Members that `matcher` wants, files that are no archives. Raises what `inner.list_files` raises."""
        assert self.matcher is not None
        member = split_member(prefix)
        for file in self.inner.list_files(prefix if member is None else member[0]):
            if file.fault is None and is_archive(file.uri) and self.matcher.opens(file.uri):
                yield from self._access().list_members(file, self.matcher)
            else:
                yield file

    def open(self, file: RemoteFile) -> IO[bytes]:
        """A member's plain bytes, readable and seekable (backwards in a compressed one by beginning anew).

        Raises FileAccessError and FileChangedError as `inner.open`, MalformedFileError for a member that is encrypted or
        compressed in a way that is not known; so do reads from what it returns, for damage.
        """
        # A wanted archive is not listed as a file unless it could not be listed inside, and only what is wanted is opened
        # where there is no matcher.
        is_wanted = is_archive(file.uri) and (self.matcher is None or self.matcher.opens(file.uri))
        if split_member(file.uri) is None and not is_wanted:
            return self.inner.open(file)
        return self._access().open(file)

    @property
    def prefetch(self) -> Callable[[RemoteFile, int, int], None]:
        """As `inner` does; nothing for members, whose bytes lie elsewhere. Raises AttributeError where `inner` has no such
        method: files of which nothing is fetched are cut otherwise."""
        inner = prefetching(self.inner)
        if inner is None:
            raise AttributeError("prefetch")

        def prefetch(file: RemoteFile, start: int, end: int) -> None:
            if split_member(file.uri) is None:
                inner.prefetch(file, start, end)

        return prefetch

    def stop_fetching(self) -> None:
        """As `inner` does."""
        stop_fetching(self.inner)

    def _access(self) -> "Archives":
        from file_cdk.readers.archives.access import Archives

        if not self._archives:
            self._archives.append(Archives(self.inner, self.max_expansion_ratio, self.max_members))
        return self._archives[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return ArchiveReader, (self.inner, None, self.max_expansion_ratio, self.max_members)
