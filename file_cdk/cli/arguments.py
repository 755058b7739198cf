"""Kinds of argument that several commands take."""

import argparse


def count(text: str) -> int:
    """Type of a number of things for argparse."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number (0 or more)")
    return int(text)


def worker_count(text: str) -> int:
    """Type of `--workers` for argparse."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of worker processes (0 or more)")
    return int(text)
