"""A client for a run: over the network, with a recording beside it, or from one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.budgets import HTTPAPIBudget
from file_cdk.declarative.http.client import Client, Surroundings
from file_cdk.declarative.http.ports import Transport
from file_cdk.declarative.http.secrets import Secrets, secret_values


def opened(
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    *,
    budget: HTTPAPIBudget | Mapping[str, Any] | None = None,
    around: Surroundings | None = None,
    record: Path | None = None,
    replay: Path | None = None,
) -> Client:
    """schema: JSON Schema of the configuration, which says what in it is secret. budget: `api_budget` of the manifest.

    record: a new folder for what is asked and answered. replay: such a folder, in place of the network.
    Raises ConfigError; the caller closes the client.
    """
    if record is not None and replay is not None:
        raise ConfigError("a run is recorded or replayed, not both")
    secrets = Secrets(secret_values(config, schema))
    transport: Transport
    if replay is not None:
        from file_cdk.declarative.http.cassettes import Player

        transport = Player(replay, secrets)
    else:
        from file_cdk.declarative.http.network.transport import HttpTransport  # for a replay there is no network

        transport = HttpTransport(secrets)
        if record is not None:
            from file_cdk.declarative.http.cassettes import Recorder

            transport = Recorder(transport, record, secrets)
    counted = None
    if budget is not None:
        from file_cdk.declarative.http.budget import budget as compiled_budget

        counted = compiled_budget(budget, config)
    return Client(transport, config, secrets, counted, around)
