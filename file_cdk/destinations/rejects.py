"""How databases keep what was rejected."""

import codecs

from file_cdk.core.ports import MAX_RAW_BYTES, Reject


def text_or_bytes(reject: Reject) -> tuple[str | None, bytes | None]:
    """What goes into `raw`, where the record is UTF-8, or else into `raw_bytes`."""
    if reject.raw is None:
        return None, None
    # The limit may have cut it within a character, of which nothing is kept then.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(reject.raw, final=len(reject.raw) < MAX_RAW_BYTES), None
    except UnicodeDecodeError:
        return None, reject.raw
