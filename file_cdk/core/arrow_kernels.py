"""Arrow's kernels as `pc`, imported when the first is called: pyarrow.compute makes a function of each, 27 ms a process."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:

    class _Kernels:
        def __getattr__(self, name: str) -> Any:
            import pyarrow.compute

            return getattr(pyarrow.compute, name)

    pc = _Kernels()

__all__ = ["pc"]
