"""What the protocols' libraries raise, as our errors; `from None`, because they quote URLs and what servers say."""

import ftplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from file_cdk import AccessError, ConfigError, FileAccessError, FileCdkError, TransientError

TIMEOUT_S = 30.0
"""Without a byte arriving; also for a connection to come about."""


class MissingError(Exception):
    """The server has no such file."""


class HttpStatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@contextmanager
def translated(shown: str, uri: str | None = None) -> Iterator[None]:
    """shown: names the file without secrets. uri: of a file that was listed, so that its loss is not the listing's."""
    try:
        yield
    except FileCdkError:
        raise
    except ImportError as exc:
        raise ConfigError(
            f"{shown} needs a package that is not installed: {exc.name or 'see the documentation of smart_open'}",
            remedy="Install it with: pip install 'file-cdk[smart-open]'",
        ) from None
    except (ftplib.Error, EOFError) as exc:
        raise _of_ftp(exc, shown, uri) from None
    except (MissingError, FileNotFoundError) as exc:
        if isinstance(exc, FileNotFoundError) and exc.filename == "hdfs":
            raise ConfigError(
                "the program hdfs is not installed", remedy="Install Hadoop's client, or use webhdfs://"
            ) from None
        raise _missing(shown, uri) from None
    except PermissionError:
        raise _forbidden(shown, uri) from None
    except HttpStatusError as exc:
        raise _of_status(exc.status, shown, uri) from None
    except ssl.SSLCertVerificationError:
        raise AccessError(
            f"{shown}: the server's certificate is not trusted",
            remedy="Name the file of the authority that issued it in SSL_CERT_FILE",
        ) from None
    except OSError as exc:
        raise TransientError(f"{shown}: {exc.strerror or 'the connection failed'}") from None
    except (NotImplementedError, ValueError, TypeError, KeyError):
        raise ConfigError(f"smart_open cannot open {shown} with these transport_params") from None
    except Exception as exc:
        # WebHdfsException, which smart_open derives from nothing narrower; anything else is not ours to explain.
        status = getattr(exc, "status_code", None)
        if not isinstance(status, int):
            raise
        raise _of_status(status, shown, uri) from None


def _of_ftp(error: Exception, shown: str, uri: str | None) -> FileCdkError:
    code = str(error)[:3]
    if code in ("530", "532", "331", "430"):
        return AccessError(f"{shown}: the server refuses the log-in ({code})", remedy="Correct the user in the URL")
    if code in ("550", "553"):
        return _missing(shown, uri)
    if isinstance(error, ftplib.error_perm):
        return AccessError(f"{shown}: the server refuses ({code})")
    return TransientError(f"{shown}: the server cannot serve it now")


def _of_status(status: int, shown: str, uri: str | None) -> FileCdkError:
    if status in (404, 410):
        return _missing(shown, uri)
    if status == 403:
        return _forbidden(shown, uri)
    if status == 401:
        return AccessError(f"{shown}: the server wants other credentials (401)", remedy="Correct the user in the URL")
    if status >= 500 or status in (408, 429):
        return TransientError(f"{shown}: the server answers {status}")
    return AccessError(f"{shown}: the server answers {status}, which is no file")


def _missing(shown: str, uri: str | None) -> FileCdkError:
    if uri is not None:
        return FileAccessError("is gone since it was listed, or is forbidden", uri=uri)
    return AccessError(f"there is no {shown}, or it is forbidden", remedy="Correct `urls`")


def _forbidden(shown: str, uri: str | None) -> FileCdkError:
    if uri is not None:
        return FileAccessError("the server forbids to read it", uri=uri, remedy="Let the user read it")
    return AccessError(f"{shown}: the server forbids it", remedy="Let the user read it")
