"""Reads protocol messages from stdin, and prints the number of records and a digest of what they say, in whatever order.

    source-local read … | python digest.py

Not in the digest: when a record was emitted, when its file was modified, which differs between a folder and a store, keys that
are null, which tools write or leave out, and the ending `.gz` of a file's name. UTC is the same as `Z` and as `+00:00`.
"""

import hashlib
import json
import sys
from typing import Any

import msgspec

_NOT_COMPARED = "_ab_source_file_last_modified"
_URL = "_ab_source_file_url"


class _Record(msgspec.Struct):
    data: dict[str, Any]


class _Message(msgspec.Struct):
    type: str
    record: _Record | None = None


def main() -> None:
    decode = msgspec.json.Decoder(_Message).decode
    encode = msgspec.json.Encoder(order="sorted").encode
    records = total = 0
    for line in sys.stdin.buffer:
        if not line.startswith(b"{"):
            continue  # what a tool says beside the protocol
        record = decode(line).record
        if record is None:
            continue
        data = {
            key: value.removesuffix("+00:00") + "Z" if isinstance(value, str) and value.endswith("+00:00") else value
            for key, value in record.data.items()
            if value is not None and key != _NOT_COMPARED
        }
        if _URL in data:
            data[_URL] = str(data[_URL]).removesuffix(".gz")
        records += 1
        total += int.from_bytes(hashlib.blake2b(encode(data), digest_size=8).digest(), "little")
    print(json.dumps({"records": records, "digest": f"{total % 2**64:016x}"}))


if __name__ == "__main__":
    main()
