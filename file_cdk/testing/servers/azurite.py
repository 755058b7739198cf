"""Azurite: Microsoft's own emulator of Azure Blob Storage."""

import email.utils
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from file_cdk.testing.servers.bulk import PutRequest, put_all
from file_cdk.testing.servers.process import ChildServer, Launch, http_status, missing

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_PROGRAM = "azurite-blob"
_API_VERSION = "2021-12-02"


class Azurite(ChildServer):
    """Starts in a second and takes 200 MB (it is a Node program). Blobs are kept in memory. Checks signatures.

    Other than the real service it
    - stores a backslash as a slash;
    - stores a key with a control character below 0x20 other than tab and line ends, and then fails every listing
      of its container with 500, because XML cannot hold it;
    - takes any API version, and ignores headers and parameters that it does not know.

    The SDK resolves `.` and `..` segments before it sends a request that it has signed with them, so that `put` of such a
    key is refused; `put_many` sends and stores it as it is.
    """

    account = "devstoreaccount1"
    # Published with Azurite, the same everywhere.
    account_key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    @property
    def endpoint(self) -> str:
        """The account's URL, the account's name being the first part of its path."""
        return f"{super().endpoint}/{self.account}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.account_key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def client(self) -> "BlobServiceClient":
        """A fresh BlobServiceClient with the account's key."""
        try:
            from azure.storage.blob import BlobServiceClient
        except ImportError as error:
            raise missing("azure-storage-blob", "pip install azure-storage-blob") from error
        return BlobServiceClient.from_connection_string(self.connection_string, retry_total=0)

    def create_bucket(self, name: str) -> None:
        with self.client() as client:
            client.create_container(name)

    def put(self, bucket: str, key: str, data: bytes) -> None:
        with self.client() as client:
            client.get_blob_client(bucket, key).upload_blob(data, overwrite=True)

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        with self.client() as client:
            put_all(self.port, objects, lambda key, data: self._signed_put(bucket, key, data, client))

    def delete(self, bucket: str, key: str) -> None:
        with self.client() as client:
            client.get_blob_client(bucket, key).delete_blob()

    def keys(self, bucket: str) -> list[str]:
        with self.client() as client:
            return [str(name) for name in client.get_container_client(bucket).list_blob_names()]

    def _signed_put(self, bucket: str, key: str, data: bytes, client: "BlobServiceClient") -> PutRequest:
        """Put Blob, signed by the SDK's policy alone, since the rest of its pipeline would resolve `..`."""
        from azure.core.pipeline import PipelineContext, PipelineRequest
        from azure.core.rest import HttpRequest

        target = f"/{self.account}/{bucket}/{quote(key, safe='/~')}"
        headers = {
            "content-length": str(len(data)),
            "content-type": "application/octet-stream",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-date": email.utils.formatdate(usegmt=True),
            "x-ms-version": _API_VERSION,
        }
        request = HttpRequest("PUT", f"http://127.0.0.1:{self.port}{target}", headers=headers)
        client.credential.on_request(PipelineRequest(request, PipelineContext(None)))
        return PutRequest(key, "PUT", target, dict(request.headers), data)

    def _plan(self, folder: Path) -> Launch:
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        switches = ["--inMemoryPersistence", "--skipApiVersionCheck", "--loose", "--disableTelemetry", "--silent"]
        return Launch(
            name="Azurite",
            command=[_program(), *options, *switches],
            folder=folder,
            answers=lambda: http_status(self.port) is not None,
        )


def _program() -> str:
    """In the folder that FILE_CDK_AZURITE names, in ./node_modules/.bin, or on PATH."""
    folders = [os.environ.get("FILE_CDK_AZURITE"), str(Path.cwd() / "node_modules" / ".bin")]
    for folder in folders:
        if folder and (found := shutil.which(_PROGRAM, path=folder)):
            return found
    if found := shutil.which(_PROGRAM):
        return found
    raise missing("Azurite", "npm install azurite, and name its node_modules/.bin in FILE_CDK_AZURITE or PATH")
