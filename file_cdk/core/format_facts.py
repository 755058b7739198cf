"""What is known of a format before it reads a file."""

from file_cdk.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What the engine has to know of a format before it reads a file.

    split_bytes: size of splits that makes good use of a worker, in bytes of the file; None where files can only be read as
    a whole. may_crash: the native code that reads it may end the process on bad bytes, and so is kept out of the parent.
    reads_forward: a file is read from its beginning to its end; otherwise one that is compressed is unpacked first.
    values_are_text: all values are text, which columns of other types are converted from. skips_columns: those that are asked
    for as `left_out` are not decoded.
    """

    split_bytes: int | None
    may_crash: bool = False
    reads_forward: bool = True
    values_are_text: bool = False
    skips_columns: bool = False
