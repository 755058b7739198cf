"""pyiceberg, where it is installed; its catalogs, and its errors as ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.core.uris import redacted
from file_cdk.destinations.iceberg.place import OWN_CATALOG, TablesUrl

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_MAX_REASON_CHARACTERS = 300


def check_library() -> None:
    """Raises ConfigError where it is missing. It is not loaded yet, which takes half a second."""
    for package in ("pyiceberg", "sqlalchemy"):
        if find_spec(package) is None:
            raise ConfigError(
                f"an Iceberg destination needs the package {package!r}, which is not installed",
                remedy="Install it: pip install 'file-cdk[iceberg]'",
            )


def catalog_of(url: TablesUrl) -> "Catalog":
    """Raises ConfigError where there is no catalog of that name, DestinationError where it cannot be had."""
    with translating(url.root, "opening the catalog"):
        if url.catalog is None:
            from pyiceberg.catalog.sql import SqlCatalog

            path = Path(url.root).resolve() / OWN_CATALOG
            path.parent.mkdir(parents=True, exist_ok=True)
            return SqlCatalog("default", uri=f"sqlite:///{path}", warehouse=url.location)
        from pyiceberg.catalog import load_catalog
        from pyiceberg.utils.config import Config

        try:
            # The environment as it is now: pyiceberg's own look at it is from when it was loaded.
            known = cast(dict[str, str], Config().get_catalog_config(url.catalog) or {})
            return load_catalog(url.catalog, **(_of_the_environment(url) | known))
        except ModuleNotFoundError as exc:
            raise ConfigError(
                f"the catalog {url.catalog!r} needs the package {exc.name!r}, which is not installed",
                remedy=f"Install it: pip install {exc.name}",
            ) from exc
        except (ValueError, KeyError):
            # pyiceberg's words may have all that is configured in them, secrets included.
            raise ConfigError(
                f"pyiceberg's configuration has no catalog {url.catalog!r} that can be used",
                remedy="Describe it in .pyiceberg.yaml, or in variables of the environment, as "
                f"PYICEBERG_CATALOG__{url.catalog.upper()}__URI",
            ) from None


def _of_the_environment(url: TablesUrl) -> dict[str, str]:
    """What pyiceberg's files do not know of the bucket that ours do."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not url.root.startswith("s3://") or not endpoint:
        return {}
    known = {"s3.endpoint": endpoint}
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        known["s3.region"] = region
    return known


@contextmanager
def translating(name: str, doing: str) -> Iterator[None]:
    """Raises the errors of pyiceberg, SQLAlchemy and the files' library as ours."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (CommitFailedException, ValidationException) as exc:
        raise DestinationInUseError(
            f"{name!r}: {doing}: somebody else has changed the table meanwhile, and nothing of this commit was kept",
            remedy="Run it again, while nobody else writes to the table",
        ) from exc
    except OSError as exc:
        reason, remedy = reason_and_remedy(exc)
        raise DestinationError(f"{name!r}: {doing}: {reason}", remedy=remedy) from exc
    except SQLAlchemyError as exc:
        raise DestinationError(f"{name!r}: {doing}: the catalog's database: {_reason(exc)}") from exc
    except _errors() as exc:
        raise DestinationError(f"{name!r}: {doing}: {type(exc).__name__}: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    """Its first line. URLs may have passwords in them."""
    return redacted(str(getattr(exc, "orig", None) or exc).partition("\n")[0])[:_MAX_REASON_CHARACTERS]


@cache
def _errors() -> tuple[type[Exception], ...]:
    """Those that pyiceberg has, which have no class in common."""
    from pyiceberg import exceptions

    return tuple(each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, Exception))
