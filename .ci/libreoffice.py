"""Installs LibreOffice's spreadsheet program by apt-get where it is missing and may be installed.

Where it may not, nothing is done: the tests that need it fail if CI is set, and skip elsewhere.
"""

import os
import shutil
import subprocess

PACKAGE = "libreoffice-calc-nogui"

if shutil.which("soffice") is None and shutil.which("apt-get") is not None and os.geteuid() == 0:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
        subprocess.run(["apt-get", "--quiet", "--quiet", *arguments], check=False, env=environment, timeout=600)  # noqa: S603, S607 - where it is, the system says
