"""Installs LibreOffice's spreadsheet program and Postgres by apt-get where they are missing and may be installed.

Where they may not, nothing is done: the tests that need them fail if CI is set, and skip elsewhere.
"""

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = {
    "libreoffice-calc-nogui": shutil.which("soffice") is not None,
    "postgresql": any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
}
"""Whether each is there."""

missing = [package for package, is_there in PACKAGES.items() if not is_there]
if missing and shutil.which("apt-get") is not None and os.geteuid() == 0:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", "--quiet", "--quiet", *arguments], check=False, env=environment, timeout=600)  # noqa: S603, S607 - where it is, the system says
