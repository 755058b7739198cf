"""Runs a command, then prints the rows of table `t` in a Postgres database as RECORD messages.

python postgres_rows.py COLUMN,… PSQL … -- COMMAND …

PSQL …: psql as it connects to the database. Columns in the order of their names.
"""

import subprocess
import sys


def main() -> None:
    columns, *rest = sys.argv[1:]
    end = rest.index("--")
    subprocess.run(rest[end + 1 :], check=True, stdout=subprocess.DEVNULL)
    named = ", ".join(f"'{name}', CAST({name} AS TEXT)" for name in columns.split(","))
    message = f"json_build_object('type', 'RECORD', 'record', json_build_object('data', json_build_object({named})))"
    # In CSV no backslash is doubled; of the two quotes, neither is in JSON on one line.
    sql = f"COPY (SELECT {message} FROM t) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
    subprocess.run([*rest[:end], "-c", sql], check=True)


if __name__ == "__main__":
    main()
