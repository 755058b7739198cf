"""Lines of records that already are JSON: each record's own bytes in its message.

No Arrow is needed for it, which takes longer to import than a small read takes."""

import msgspec

from file_cdk.core.files import MODIFIED_COLUMN, URL_COLUMN, RemoteFile
from file_cdk.core.json_lines import JsonLines, member
from file_cdk.core.state.cursor import format_instant
from file_cdk.core.uris import well_formed


def spliced_lines(
    batch: JsonLines, stream: str, file: RemoteFile, emitted_at_ms: int, *, schemaless: bool = False
) -> bytes:
    """See RecordEncoder.encode."""
    before = b'{"type":"RECORD","record":{"stream":%b,"data":' % msgspec.json.encode(well_formed(stream))
    modified, url = format_instant(file.modified_at), well_formed(file.uri)
    members = member(MODIFIED_COLUMN, modified) + b"," + member(URL_COLUMN, url)
    after = b',"emitted_at":%d}}\n' % emitted_at_ms
    if schemaless:
        return batch.text(before + b'{"data":', b"," + members + b"}" + after)
    return batch.without_file_columns().text(before, after, members)
