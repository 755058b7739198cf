"""Imports `pyarrow.compute` without its functions' documentation, which takes longer to make than the functions: 18 of 32 ms,
before the first block of a run. For worker processes alone, where nobody asks for it."""

import contextlib
import sys
from importlib import import_module
from types import ModuleType

_DOCUMENTATION = "pyarrow.vendored.docscrape"


class _Undocumented:
    """Stands for what takes a docstring apart."""

    def __init__(self, docstring: str) -> None: ...

    def __getitem__(self, section: str) -> list[object]:
        return []


def _import() -> None:
    if {"pyarrow.compute", _DOCUMENTATION} & sys.modules.keys():
        return
    module = ModuleType(_DOCUMENTATION)
    module.NumpyDocString = _Undocumented  # type: ignore[attr-defined]
    sys.modules[_DOCUMENTATION] = module
    # A pyarrow that wants more of it is imported with its documentation by whoever needs it.
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        import_module("pyarrow.compute")
    del sys.modules[_DOCUMENTATION]


_import()
