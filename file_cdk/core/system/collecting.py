"""When Python looks for cycles among its objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """For what holds many objects that are in no cycles, such as a listing's files: they would be looked through again and
    again, which takes a fifth of a command's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_is_put_off = False


def put_off_collecting() -> None:
    """Until `take_up_collecting`, for a command that begins: little of what it imports and opens is garbage, and to look for some
    takes 60 ms."""
    global _is_put_off
    if gc.isenabled():
        gc.disable()
        _is_put_off = True


def take_up_collecting() -> None:
    """Where it was put off: what there is by now stays, and is not looked through again."""
    global _is_put_off
    if _is_put_off:
        _is_put_off = False
        gc.freeze()
        gc.enable()
