"""What a table's snapshots do not name any more, removed. pyiceberg forgets snapshots, and leaves their files."""

import re
from datetime import timedelta

from file_cdk.destinations.iceberg.commits import IcebergCommits
from file_cdk.destinations.iceberg.library import translating
from file_cdk.destinations.iceberg.place import folder_of

_UNNAMED_KEPT = timedelta(hours=1)
"""How long a file is kept that no snapshot names: another program may be about to commit it, or still read it."""

_OURS = re.compile(r"data/part-[^/]+\.parquet|metadata/[^/]+\.avro")


def vacuum(commits: IcebergCommits, stream: str) -> None:
    """Data files of ours, and manifests. Raises DestinationError."""
    table, folder, storage = commits.table(stream), folder_of(stream), commits.storage
    if table is None:
        return
    listed, since = storage.listed(folder), storage.now() - _UNNAMED_KEPT
    old = {
        name
        for name, modified in listed.items()
        if modified < since and _OURS.fullmatch(name.removeprefix(f"{folder}/"))
    }
    old -= commits.active(stream).keys()
    if not old:
        return
    named: set[str] = set()
    with translating(commits.url.root, "looking for old files"):
        manifests = {}
        for snapshot in table.metadata.snapshots:
            named.add(snapshot.manifest_list)
            manifests.update({each.manifest_path: each for each in snapshot.manifests(table.io)})
        for path, manifest in manifests.items():
            named.add(path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            named.update(entry.data_file.file_path for entry in entries)
    storage.remove(name for name in old if commits.uri(name) not in named)
