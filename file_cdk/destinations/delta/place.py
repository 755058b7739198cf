"""Where Delta tables are: their URLs, and what deltalake needs of the environment to open them."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.uris import redacted
from file_cdk.destinations.delta.errors import translating
from file_cdk.destinations.registry import BUCKETS

_NOT_WRITTEN = {"deletionVectors": "deletion vectors", "columnMapping": "column mapping"}
"""Features of tables whose data files do not have the rows, or the names, that the table has."""


def folder_of(stream: str) -> str:
    """The folder of a stream's table. deltalake takes `%2F` in a path for a slash, so `~` stands for `%`."""
    folder = quote(stream, safe="").replace("~", "~7E").replace("%", "~")
    return f"~2E{folder[1:]}" if folder.startswith(".") else folder  # neither hidden nor a folder above


@dataclass(frozen=True, slots=True)
class Tables:
    """root: a folder, or the URL of a bucket's prefix."""

    root: str

    def __post_init__(self) -> None:
        if not self.root.startswith(BUCKETS) and "%" in str(Path(self.root).absolute()):
            raise ConfigError(
                f"Delta tables cannot be in {self.root!r}: deltalake reads no path with '%' in it",
                remedy="Name another folder",
            )

    def url(self, stream: str) -> str:
        if self.root.startswith(BUCKETS):
            return f"{self.root.rstrip('/')}/{folder_of(stream)}"
        return f"file://{quote(str(Path(self.root, folder_of(stream)).absolute()))}"

    def options(self) -> dict[str, str] | None:
        """deltalake reads the vendor's variables of the environment itself, but for these."""
        scheme = self.root.partition("://")[0]
        if scheme == "s3":
            return _plain_http("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", option="aws_endpoint") | _credentials()
        if scheme == "az":
            return _plain_http("AZURE_STORAGE_ENDPOINT", option="azure_storage_endpoint")
        return None

    def opened(self, stream: str) -> DeltaTable | None:
        """As it is now; None where there is no table. Raises DestinationError."""
        url = self.url(stream)
        with translating(url, "opening"):
            try:
                table = DeltaTable(url, storage_options=self.options())
            except TableNotFoundError:
                return None
            features = set(table.protocol().reader_features or ())
        for feature in sorted(features & _NOT_WRITTEN.keys()):
            raise DestinationError(
                f"Delta table {redacted(url)!r} has {_NOT_WRITTEN[feature]}, which file_cdk does not write",
                remedy="Give the stream another name, or take the feature from the table",
            )
        return table


def _plain_http(*variables: str, option: str) -> dict[str, str]:
    endpoint = next((found for each in variables if (found := os.environ.get(each))), None)
    if endpoint is None:
        return {}
    return {option: endpoint} | ({"allow_http": "true"} if endpoint.startswith("http://") else {})


def _credentials() -> dict[str, str]:
    """Of boto3's profiles and roles, where the environment names none."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    with suppress(ImportError):
        import boto3

        session = boto3.Session()
        found = session.get_credentials()
        if found is not None:
            frozen = found.get_frozen_credentials()
            named = {
                "aws_access_key_id": frozen.access_key,
                "aws_secret_access_key": frozen.secret_key,
                "aws_session_token": frozen.token,
                "aws_region": session.region_name,
            }
            return {name: str(value) for name, value in named.items() if value}
    return {}
