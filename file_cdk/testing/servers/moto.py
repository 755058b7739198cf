"""moto's server: S3 in memory, without a check of signatures."""

import importlib.util
import sys
from pathlib import Path

from file_cdk.testing.servers.process import Launch, http_status, missing
from file_cdk.testing.servers.s3_server import S3Server


class MotoServer(S3Server):
    """Starts in half a second and takes 90 MB. About 450 small uploads per second.

    Other than real S3 it takes any credentials and any Host header, and answers 404 to a key with a line feed. Keys with
    empty, `.` and `..` segments it stores as they are.
    """

    def __init__(self) -> None:
        super().__init__("moto-access", "moto-secret-0123456789")

    def _plan(self, folder: Path) -> Launch:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise missing("moto's server", "pip install 'moto[server,s3]'")
        return Launch(
            name="moto",
            command=[sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            folder=folder,
            answers=lambda: http_status(self.port, "/moto-api/data.json") == 200,
        )
