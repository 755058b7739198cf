"""The connector: URLs as its configuration or the command line names them."""

from typing import TYPE_CHECKING

from file_cdk import Connector, imported
from source_http.addresses import basic_authorization
from source_http.config import BasicCredentials, HttpConfig

if TYPE_CHECKING:
    from file_cdk import StreamReader


def make_reader(config: HttpConfig) -> "StreamReader":
    from file_cdk import ObjectReader  # what both import, `spec` does without
    from source_http.store import EPOCH, HttpSettings, HttpStore

    return ObjectReader(
        HttpStore(
            HttpSettings(
                urls=tuple(config.urls),
                headers=dict(config.headers),
                authorization=_authorization(config),
                skip_missing=config.missing == "skip",
                undated_at=config.start_at or EPOCH,
                base_url=config.base_url,
            )
        )
    )


def _authorization(config: HttpConfig) -> str | None:
    if config.credentials is None:
        return None
    if isinstance(config.credentials, BasicCredentials):
        return basic_authorization(config.credentials.username, config.credentials.password)
    return f"Bearer {config.credentials.token}"


def describe_credentials(config: HttpConfig) -> str:
    """In words, without asking any server."""
    found = []
    if any(address.authorization for address in config.addresses.by_uri.values()):
        found.append("user from the URL")
    if isinstance(config.credentials, BasicCredentials):
        found.append(f"user {config.credentials.username!r} from the configuration")
    elif config.credentials is not None:
        found.append("bearer token from the configuration")
    if config.headers:
        found.append(f"header {', '.join(sorted(config.headers))} from the configuration")
    return " and ".join(found) or "anonymous"


connector = Connector(
    name="source-http",
    config_class=HttpConfig,
    make_reader=make_reader,
    locate=imported("source_http.url:locate"),
    name_origin=lambda config: config.addresses.root,
    describe_credentials=describe_credentials,
)
