"""Which sources are manifests of APIs. Imports next to nothing: every sync asks."""

import os
import re

_SEEN_BYTES = 1 << 16
_TYPE = re.compile(rb"""^["']?type["']?:[ \t]*["']?DeclarativeSource["']?[ \t\r]*(?:#|$)""", re.MULTILINE)


def is_manifest(source: str) -> bool:
    """Whether it is a YAML file whose first 64 KiB, or its last, say `type: DeclarativeSource`."""
    if not source.endswith((".yaml", ".yml")):
        return False
    try:
        with open(source, "rb") as file:
            if _TYPE.search(file.read(_SEEN_BYTES)):
                return True
            file.seek(max(0, os.fstat(file.fileno()).st_size - _SEEN_BYTES))
            return _TYPE.search(file.read()) is not None
    except OSError:
        return False  # whoever reads it says why


def name_of_manifest(path: str) -> str:
    """What its source is called in a destination: as its file, or, where that says nothing, as its folder."""
    folder, _, file = os.path.abspath(path).rpartition("/")  # noqa: PTH100
    name = file.rpartition(".")[0]
    return folder.rpartition("/")[2] or name if name == "manifest" else name
