"""The connector: a schema of a database as its configuration names it."""

from urllib.parse import quote, urlencode

from destination_postgres.config import PostgresConfig
from file_cdk import DestinationConnector


def _url(config: PostgresConfig) -> str:
    user = quote(config.username, safe="")
    if config.password is not None:
        user += f":{quote(config.password, safe='')}"
    options = {"host": config.host, "port": str(config.port), "sslmode": config.ssl_mode}
    if config.schema is not None:
        options["schema"] = config.schema
    return f"postgres://{user}@/{quote(config.database, safe='')}?{urlencode(options, quote_via=quote)}"


connector = DestinationConnector(name="destination-postgres", config_class=PostgresConfig, make_url=_url)
