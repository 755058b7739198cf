"""sqlite-utils into the table `t` of a new SQLite database, one file of a folder after the other.

python sqlite_utils_load.py FOLDER DATABASE
"""

import subprocess
import sys
from pathlib import Path


def main() -> None:
    folder, database = sys.argv[1:]
    for path in sorted(Path(folder).glob("**/*.csv")):
        command = [sys.executable, "-m", "sqlite_utils", "insert", database, "t", str(path), "--csv", "--silent"]
        subprocess.run(command, check=True)


main()
