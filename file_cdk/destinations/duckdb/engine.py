"""DuckDB itself: the extension module that the package `duckdb` stands on, which has all that a load asks for.

The package adds relations and expressions, ten thousand lines of Python that take three times as long to import as the engine: a
sync that finds nothing new would spend a fifth of its time on them. Where they are wanted (`connection.sql`, and Arrow rows as
the input of a statement), `import duckdb` adds them to the same classes. The extension module is no documented name: where it is
not found, the package does.
"""

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
else:
    # An exception that a signal's handler raises while the module makes its classes would abort the process.
    _blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        import _duckdb as duckdb
    except ModuleNotFoundError:
        import duckdb
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, _blocked)


def take_arrow() -> None:
    """Has connections read Arrow rows that a statement names, and have `sql`."""
    import duckdb  # noqa: F401


__all__ = ["duckdb", "take_arrow"]
