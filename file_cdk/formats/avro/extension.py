"""polars-avro's compiled extension without the package around it, which has no public way to the Arrow batches alone.

The package imports polars, and its functions make a data frame of each batch. What this module asks of the extension is not
promised to stay; native.py tries it before relying on it.
"""

import importlib.machinery
import importlib.util
import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pyarrow as pa

OpenContainer = Callable[[bytes], pa.RecordBatch | None]
"""The first record of a container in memory, as a batch of one row; None if it cannot be decoded."""


def container_opener() -> OpenContainer:
    """Raises ImportError or AttributeError when the extension is missing or another than expected."""
    extension = _extension()
    source, avro_error = extension.AvroSource, extension.AvroError

    def open_container(run: bytes) -> pa.RecordBatch | None:
        def opened() -> AbstractContextManager[io.BytesIO]:
            return nullcontext(io.BytesIO(run))

        # It has to outlive the call of `next`: when it is freed with an error under way, the error is lost (SystemError).
        batches = iter(source([opened], False, False).batch_iter(1, None))
        try:
            # One row a batch and one batch: the rest of the block is never looked for, as that would not end.
            return pa.record_batch(next(batches))
        except (avro_error, pa.ArrowException, ValueError, TypeError, AttributeError, StopIteration):
            return None
        except BaseException as exc:
            if type(exc).__name__ != "PanicException":  # a bug in Rust code; it is no Exception, and cannot be imported
                raise
            return None

    return open_container


def _extension() -> Any:
    name = "polars_avro._avro_rs"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("polars_avro")
    if package is None or package.submodule_search_locations is None:
        raise ImportError(name)
    found = importlib.machinery.PathFinder.find_spec(name, package.submodule_search_locations)
    if found is None or found.loader is None:
        raise ImportError(name)
    extension = importlib.util.module_from_spec(found)
    sys.modules[name] = extension  # it cannot be loaded twice, should someone import the package later
    found.loader.exec_module(extension)
    return extension
