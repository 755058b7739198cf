"""The end of a console script's process: at once, but after all that is to come before."""

import subprocess
import sys

import pytest

LEAVE = "import sys; from file_cdk.cli.ending import leave\n"


def ended(program: str, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *options, "-c", LEAVE + program], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_what_was_printed_comes_out_and_the_code_is_told() -> None:
    program = "sys.stdout.write('out'); sys.stderr.write('err'); leave(5)"
    assert ended(program) == (5, "out", "err")


def test_who_asked_to_be_called_at_exit_is_called() -> None:
    program = "import atexit; atexit.register(print, 'first'); atexit.register(print, 'last'); leave(0)"
    assert ended(program) == (0, "last\nfirst\n", "")


def test_the_interpreter_is_not_taken_down() -> None:
    """Else it would call the destructor of what the module holds."""
    program = "class Held:\n    def __del__(self): print('taken down')\nheld = Held()\n"
    assert ended(program + "sys.exit(3)") == (3, "taken down\n", "")
    assert ended(program + "leave(3)") == (3, "", "")


@pytest.mark.parametrize("watch", ["sys.settrace", "sys.setprofile"])
def test_where_it_is_watched_it_leaves_as_any_program(watch: str) -> None:
    program = f"{watch}(lambda *_: None)\ntry: leave(4)\nexcept SystemExit as exc: print('seen', exc.code)"
    assert ended(program) == (0, "seen 4\n", "")


def test_threads_are_waited_for() -> None:
    program = (
        "import threading, time\n"
        "def work():\n    time.sleep(0.3)\n    print('done')\n"
        "threading.Thread(target=work).start()\nleave(0)"
    )
    assert ended(program) == (0, "done\n", "")


def test_output_that_cannot_be_written_is_told_of() -> None:
    program = "sys.stdout = open('/dev/full', 'w'); sys.stdout.write('lost'); leave(0)"
    code, _, errors = ended(program)
    assert code == 120
    assert "No space left" in errors


def test_a_call_of_the_library_raises() -> None:
    program = (
        "import file_cdk\n"
        "try: file_cdk.run_connector('source_local.source:connector', ['spec'])\n"
        "except SystemExit as exc: print('still here', exc.code)\n"
    )
    code, output, errors = ended(program)
    assert (code, errors) == (0, "")
    assert output.endswith("still here 0\n")
