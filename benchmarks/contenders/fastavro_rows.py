"""One process of fastavro over the Avro files of a folder.

    python fastavro_rows.py FOLDER [STREAM]

Without STREAM it only goes through the records, which is what is timed; with it, it prints them.
"""

import json
import sys
from pathlib import Path

import fastavro


def main() -> None:
    folder = Path(sys.argv[1])
    for path in sorted(folder.rglob("*.avro")):
        url = {"_ab_source_file_url": path.relative_to(folder).as_posix()}
        with path.open("rb") as file:
            for record in fastavro.reader(file):
                if len(sys.argv) > 2:
                    data = {key: str(value) if key == "ship_date" else value for key, value in record.items()} | url
                    data["created_at"] = f"{data['created_at']:%Y-%m-%dT%H:%M:%S}+00:00"
                    print(json.dumps({"type": "RECORD", "record": {"stream": sys.argv[2], "data": data}}))


main()
