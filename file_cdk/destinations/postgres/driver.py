"""psycopg, where it is installed."""

from typing import TYPE_CHECKING

from file_cdk.core.errors import ConfigError

if TYPE_CHECKING:
    import psycopg


def library() -> "type[psycopg.Error]":
    """The base class of its exceptions. Raises ConfigError where it is missing."""
    try:
        import psycopg
    except ImportError as exc:  # without libpq, too
        raise ConfigError(
            "a Postgres destination needs the package 'psycopg', which is not installed",
            remedy="Install it: pip install 'file-cdk[postgres]'",
        ) from exc
    return psycopg.Error
