"""Descriptors 0, 1 and 2, where whoever started the process left some of them closed."""

import os
import sys


def fill_standard_descriptors() -> None:
    """Opens those that are closed on nothing: else a database would get one, and whatever is printed would go into it."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
    for name, fd in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "w", closefd=False))
