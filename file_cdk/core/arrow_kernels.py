"""Arrow's kernels as `pc`, imported when the first is called: pyarrow.compute makes a function of each, 27 ms a process."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:

    class _Kernels:
        def __getattr__(self, name: str) -> Any:
            import pyarrow.compute

            return getattr(pyarrow.compute, name)

    pc = _Kernels()


def called(name: str, arguments: "Sequence[pa.Array | pa.Scalar]", options: tuple[str, Mapping[str, str]]) -> Any:
    """One kernel, without the functions of the others. options: their class, and what they are."""
    try:
        from pyarrow import _compute as kernels
    except ImportError:  # of a pyarrow that has them elsewhere
        import pyarrow.compute as kernels
    kind, given = options
    return kernels.call_function(name, arguments, getattr(kernels, kind)(**given))


__all__ = ["called", "pc"]
