"""The connector: URLs as its configuration or the command line names them."""

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from source_http.addresses import name_files

from file_cdk import Connector, imported
from source_smart_open.config import SmartOpenConfig

if TYPE_CHECKING:
    from file_cdk import StreamReader


def make_reader(config: SmartOpenConfig) -> "StreamReader":
    from file_cdk import ObjectReader  # what both import, `spec` does without
    from source_smart_open.store import EPOCH, SmartOpenSettings, SmartOpenStore

    settings = SmartOpenSettings(tuple(config.urls), dict(config.transport_params), config.start_at or EPOCH)
    return ObjectReader(SmartOpenStore(settings))


def describe_credentials(config: SmartOpenConfig) -> str:
    found = sorted({f"user {unquote(user)!r} from the URL" for url in config.urls if (user := urlsplit(url).username)})
    if config.transport_params:
        found.append("transport_params from the configuration")
    return " and ".join(found) or "anonymous"


connector = Connector(
    name="source-smart-open",
    config_class=SmartOpenConfig,
    make_reader=make_reader,
    locate=imported("source_smart_open.url:locate"),
    name_origin=lambda config: name_files([urlsplit(url) for url in config.urls])[0],
    describe_credentials=describe_credentials,
)
