"""An environment of its own for packages that do not go with ours.

    python install.py FOLDER REQUIREMENT …

By uv where there is one, which takes seconds where pip takes minutes to find versions that go together; else by pip.
"""

import shutil
import subprocess
import sys
import venv

folder, *requirements = sys.argv[1:]
venv.create(folder, clear=True, with_pip=shutil.which("uv") is None)
python = f"{folder}/bin/python"
install = (
    ["uv", "pip", "install", "--python", python]
    if shutil.which("uv")
    else [python, "-m", "pip", "install", "--no-compile"]
)
sys.exit(subprocess.run([*install, "--quiet", *requirements], check=False).returncode)  # noqa: S603 - what tox.ini says
