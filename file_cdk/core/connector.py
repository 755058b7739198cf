"""What a third party builds a source from: a name, a config class, and how to make a reader from a config."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError

if TYPE_CHECKING:  # the command line is to have started the workers before they load
    from file_cdk.core.config import SourceConfig
    from file_cdk.core.config.model import ConfigModel
    from file_cdk.core.ports import StreamReader


def imported(place: str) -> Callable[..., Any]:
    """The function at a place, such as `source_shelf.url:locate`, whose module is imported when it is called: `spec`, for one,
    does without what that imports in turn."""
    module, _, name = place.partition(":")
    return lambda *arguments: getattr(import_module(module), name)(*arguments)


@dataclass(frozen=True, slots=True)
class Location:
    """What a connector makes of a URL: its configuration without streams (which may hold a password of the URL's), the
    files meant, and a name for their table."""

    config: Mapping[str, Any] = field(repr=False)
    globs: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Connector:
    """One source: the protocol's commands through `main`, and, with `locate`, URLs for `file-cdk`.

    make_reader gets the validated instance of config_class; the reader it returns must pickle, and open clients lazily.
    locate turns a URL (or path) into a Location; announce the connector under its URL scheme in the entry-point group
    `file_cdk.connectors` for the command to find it. name_origin names the root of a config (a bucket, a folder) in one
    spelling: a destination then notices when a table is given files of another root. describe_credentials says which
    credentials a config leads to, redacted, for `file-cdk check`. adopt_state turns the state of a stream as another
    connector of the same store wrote it into ours, and leaves ours as it is: see file_cdk.renamed_state. history_limit is how
    many files the state of a stream remembers, 10,000 unless it is given; FILE_CDK_HISTORY_LIMIT in the environment overrides it.
    settle_s: how old the youngest file has to be before a sync reads, which waits for that; for stores where a file can be seen
    while it is written. FILE_CDK_SETTLE in the environment overrides it.
    """

    name: str
    config_class: "type[SourceConfig]"
    make_reader: "Callable[[Any], StreamReader]"
    documentation_url: str | None = None
    locate: "Callable[[str], Location] | None" = None
    name_origin: Callable[[Any], str] | None = None
    describe_credentials: Callable[[Any], str] | None = None
    adopt_state: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | None = None
    history_limit: int | None = None
    settle_s: float = 0

    def __post_init__(self) -> None:
        if self.history_limit is not None and self.history_limit < 1:
            raise ValueError("history_limit must be at least 1")

    def reader(self, config: "SourceConfig") -> "StreamReader":
        """Reader over the root that the configuration names. Does no I/O."""
        return self.make_reader(config)

    def origin(self, config: "SourceConfig") -> str | None:
        """The root that uris are relative to, spelled the same for the same root and without secrets; None if unknown."""
        return None if self.name_origin is None else self.name_origin(config)

    def credential(self, config: "SourceConfig") -> str | None:
        """Which credentials are used, in words and redacted: `anonymous`, `access key AKIA…WXYZ from the configuration`;
        None where none are. Raises what using them raises."""
        return None if self.describe_credentials is None else self.describe_credentials(config)

    def own_state(self, config: "SourceConfig", state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The state of a stream with uris as this source lists them, whichever connector wrote it, and without secrets.
        What is malformed stays so."""
        return state if self.adopt_state is None else self.adopt_state(config, state)

    def location(self, url: str) -> "Location":
        """Raises ConfigError when this source takes no URLs or not this one, AccessError when nothing is there."""
        if self.locate is None:
            raise ConfigError(f"{self.name} takes no URLs", remedy="Give it a YAML file with its configuration")
        return self.locate(url)

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Runs `spec`, `check`, `discover` or `read` as the command line says, and exits the process."""
        import file_cdk  # by its public name: core imports no other room

        file_cdk.run_connector(self, argv)


@dataclass(frozen=True, slots=True)
class DestinationConnector:
    """One destination: the protocol's commands.

    make_url gets the validated instance of config_class, and gives what `file-cdk sync --to` takes; it may hold a password.
    """

    name: str
    config_class: "type[ConfigModel]"
    make_url: "Callable[[Any], str]"
    documentation_url: str | None = None

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Runs `spec`, `check` or `write` as the command line says, and exits the process."""
        import file_cdk  # by its public name: core imports no other room

        file_cdk.run_destination(self, argv)
