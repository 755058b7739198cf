"""How fast pages of an API become RECORD lines with nothing around it: http.client, and msgspec that cuts the records out.

    python api_floor.py URL

No manifest, state, retries, time-outs or errors. One page after the other, over one connection.
"""

import os
import sys
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec


class Page(msgspec.Struct):
    data: list[msgspec.Raw]
    next: int | None = None


def main() -> None:
    url = urlsplit(sys.argv[1])
    connection = HTTPConnection(url.hostname or "", url.port)
    decode = msgspec.json.Decoder(Page).decode
    before = b'{"type":"RECORD","record":{"stream":"items","data":'
    page: int | None = 1
    while page is not None:
        connection.request("GET", f"{url.path}?page={page}")
        answer = decode(connection.getresponse().read())
        after = b',"emitted_at":%d}}\n' % (time.time_ns() // 1_000_000)
        lines = memoryview(b"".join((before, (after + before).join(answer.data), after)))
        while lines:
            lines = lines[os.write(1, lines) :]
        page = answer.next


if __name__ == "__main__":
    main()
