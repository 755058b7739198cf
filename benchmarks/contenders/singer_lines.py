"""The RECORD messages in a file as Singer has them, all of one stream, whose columns are those of its first thousand

python singer_lines.py LINES
"""

import sys

import msgspec


class _Record(msgspec.Struct):
    data: msgspec.Raw


class _Message(msgspec.Struct):
    type: str
    record: _Record | None = None


def main() -> None:
    (path,) = sys.argv[1:]
    decode, write = msgspec.json.Decoder(_Message).decode, sys.stdout.buffer.write
    columns: dict[str, None] = {}
    with open(path, "rb") as lines:
        for number, line in enumerate(lines):
            if (record := decode(line).record) is not None:
                columns |= dict.fromkeys(msgspec.json.decode(record.data))
            if number == 1_000:
                break
    properties = {name: {"type": ["null", "string"]} for name in columns}
    schema = {"type": "SCHEMA", "stream": "t", "schema": {"properties": properties}, "key_properties": []}
    write(msgspec.json.encode(schema) + b"\n")
    with open(path, "rb") as lines:
        for line in lines:
            if (record := decode(line).record) is not None:
                write(b'{"type":"RECORD","stream":"t","record":%b}\n' % bytes(record.data))


main()
