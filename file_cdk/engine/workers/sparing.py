"""Has pyarrow do without pandas in a worker: it imports that, where it is installed, before it converts its first Python value,
which takes each process 0.4 s."""

import sys
from collections.abc import Sequence
from types import ModuleType

from file_cdk.core.ports import Format

_OURS = __name__.partition(".")[0]


class _Unfound:
    """A finder of modules, before all others."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG002
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def spare_pandas(file_format: Format) -> None:
    """For formats of this package; those of others may hand pyarrow what pandas made. Whoever calls to_pandas still gets it."""
    while (inner := getattr(file_format, "inner", None)) is not None:
        file_format = inner
    arrow = sys.modules.get("pyarrow")  # JSON lines that are passed on do without
    if arrow is None or "pandas" in sys.modules or type(file_format).__module__.partition(".")[0] != _OURS:
        return
    unfound = _Unfound()
    sys.meta_path.insert(0, unfound)
    try:
        arrow.scalar(0)
    finally:
        sys.meta_path.remove(unfound)
