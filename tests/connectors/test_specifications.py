"""`spec` of the shipped connectors: what is kept is what their configurations say, and what is printed is what is kept."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from specifications import specifications

from file_cdk.cli.entry import SPECIFICATION

_PROGRAM = "import sys; sys.argv[1:] = ['spec']; from source_local import main; main()"


@pytest.mark.parametrize(("path", "line"), [pytest.param(*each, id=each[0].parent.name) for each in specifications()])
def test_what_is_kept_is_what_the_configuration_says(path: Path, line: bytes) -> None:
    assert path.read_bytes() == line, "run python tests/cli/specifications.py"


def test_it_is_printed_as_it_is_kept_and_nothing_is_imported() -> None:
    program = f"import atexit, sys; atexit.register(lambda: print('argparse' in sys.modules)); {_PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == _kept() + b"False\n"


def test_it_is_whole_where_its_reader_is_slow() -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    with open(read, "rb") as pipe:
        with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=write) as process:
            os.close(write)
            assert pipe.read() == _kept()
        assert process.returncode == 0


def test_a_full_disk_is_told_of() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", _PROGRAM], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"the disk is full" in done.stderr


def test_a_package_without_one_has_it_made(tmp_path: Path) -> None:
    (tmp_path / "source_plain").mkdir()
    (tmp_path / "source_plain" / "__init__.py").write_text("")
    (tmp_path / "source_plain" / "source.py").write_text(
        "from file_cdk import Connector, SourceConfig\n"
        "connector = Connector('source-plain', SourceConfig, lambda config: None)\n"
    )
    program = (
        "import sys; sys.argv[1:] = ['spec']; import source_plain; from file_cdk import run_connector\n"
        "run_connector('source_plain.source:connector', ends_process=True)"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
    assert b'"title":"source-plain"' in done.stdout.replace(b": ", b":")


def _kept() -> bytes:
    import source_local

    return (Path(source_local.__path__[0]) / SPECIFICATION).read_bytes()
