"""A server made from a manifest: the API that the manifest describes, with made-up records."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from file_cdk.testing.mirror.answers import Answer, Answers, SeenRequest
from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.building import Building
from file_cdk.testing.mirror.certificates import Authority
from file_cdk.testing.mirror.network import Proxy
from file_cdk.testing.mirror.options import Growth, MirrorOptions
from file_cdk.testing.mirror.recipes import Record, kept


@dataclass(frozen=True, slots=True)
class Serving:
    """proxy_url: an HTTP proxy for every name of the manifest, and any other. authority: a file with the CA's certificate."""

    proxy_url: str
    authority: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find the mirror behind all names, and to trust it."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        files = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        return {
            **os.environ,
            **dict.fromkeys(names, self.proxy_url),
            **dict.fromkeys(files, str(self.authority)),
            "NO_PROXY": "",
            "no_proxy": "",
        }


class Mirror:
    """manifest: resolved, as `file_cdk.declarative.language.resolved` gives it. config: what its templates see.

    The same arguments give the same records, whichever requests come in which order. Every stream is answered with pages of its
    records in the envelope, order and form that the manifest expects; requests without the right credentials get 401, those that
    are not as the manifest makes them 400, others 404.
    """

    def __init__(
        self, manifest: Mapping[str, Any], config: Mapping[str, Any], options: MirrorOptions | None = None
    ) -> None:
        self._manifest = manifest
        self._config = config
        self._options = options or MirrorOptions()
        self._growths: list[Growth] = []
        self._build()

    def _build(self) -> None:
        self._built = Building(self._manifest, self._config, self._options, self._growths)
        streams = list(self._built.streams.values())
        self._answers = Answers(streams, self._built.guards.doors, self._options.faults)

    @property
    def streams(self) -> list[str]:
        """Names of the streams that are mirrored, in the manifest's order."""
        declared = [str(stream.get("name")) for stream in self._manifest.get("streams") or []]
        return [name for name in declared if name not in self._built.reasons]

    @property
    def reasons(self) -> dict[str, str]:
        """Why a stream cannot be mirrored, by name."""
        return dict(self._built.reasons)

    @property
    def parents(self) -> frozenset[str]:
        """Names of the streams that others take their partitions from. How often they are read is up to a program."""
        return self._built.parents

    @property
    def remarks(self) -> dict[str, list[str]]:
        """Where the mirror of a stream has less than the API would."""
        return {stream.name: list(stream.remarks) for stream in self._built.streams.values() if stream.remarks}

    @property
    def seen(self) -> Sequence[SeenRequest]:
        """The requests since the mirror began, or since `forget`, in the order of their answers."""
        return self._answers.seen

    def records(self, stream: str) -> list[Record]:
        """All records of a stream as the API has them, partition by partition."""
        return [record for _, record in self._partitioned(stream)]

    def kept(self, stream: str) -> list[Record]:
        """Those that the stream's record filter lets through."""
        return [record for kept, record in self._partitioned(stream) if kept]

    def _partitioned(self, stream: str) -> Iterator[tuple[bool, Record]]:
        one = next(one for one in self._built.streams.values() if one.name == stream)
        for slot, _ in one.slots:
            scope = self._built.scope_of(slot)
            for record in one.records(slot):
                yield kept(one.component, record, scope), record

    def grow(self, records: int = 2, *, parents: bool = True, at: datetime | None = None) -> None:
        """More records in every partition, from an aware instant on, or from now; in parents too, so that there are more
        partitions, or not. Tokens that were given are no longer good, and `seen` begins anew."""
        self._growths.append(Growth(records, at or datetime.now(UTC), parents))
        self._build()

    def forget(self) -> None:
        """Let `seen` and faults begin anew, and take the configuration's refresh tokens again."""
        self._build()

    def answer(self, asked: Asked) -> Answer:
        return self._answers.answer(asked)

    @contextmanager
    def serving(self) -> Iterator[Serving]:
        with tempfile.TemporaryDirectory(prefix="file_cdk-mirror-") as folder:
            authority = Authority(Path(folder))
            with Proxy(self.answer, authority, self._options.latency_s) as proxy:
                yield Serving(proxy.url, authority.file)
