"""No byte that any command prints, logs or keeps holds a secret, whether the secret opens the store or not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from file_cdk.testing.servers import ObjectServer
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.http_server import HttpServer
from file_cdk.testing.servers.seaweedfs import SeaweedFS
from file_cdk.testing.servers.sftp_server import SftpServer

Json = dict[str, Any]

BIN = Path(sys.executable).parent
ROWS = b"id,name\n1,a\n2,b\n"
WRONG = "wr0ng-s3cret-0123456789abcdefghij"


@dataclass(frozen=True)
class Case:
    """A connector's configuration, and every text in it that nobody may see. url: where a URL may carry the secret."""

    connector: str
    config: Json
    secrets: tuple[str, ...]
    url: str | None = None


def _bucket(server: ObjectServer, wrong: bool) -> str:
    """One for each test: the servers are shared."""
    name = f"secrets-{'wrong' if wrong else 'right'}"
    server.create_bucket(name)
    server.put(name, "a.csv", ROWS)
    return name


def _s3(server: SeaweedFS, wrong: bool) -> Case:
    bucket = _bucket(server, wrong)
    secret = WRONG if wrong else server.secret_key
    config = {
        "bucket": bucket,
        "endpoint": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": secret,
    }
    return Case("source-s3", config, (secret,))


def _gcs(server: FakeGCS, wrong: bool) -> Case:
    bucket = _bucket(server, wrong)
    account = json.loads(server.service_account_key)
    if wrong:
        account["private_key"] = f"-----BEGIN PRIVATE KEY-----\n{WRONG}\n-----END PRIVATE KEY-----\n"
    lines = [line for line in account["private_key"].splitlines() if len(line) > 20 and "-----" not in line]
    credentials = {"auth_type": "Service", "service_account": json.dumps(account)}
    config = {"bucket": bucket, "endpoint": server.endpoint, "credentials": credentials}
    return Case("source-gcs", config, tuple(lines))


def _azure(server: Azurite, wrong: bool) -> Case:
    bucket = _bucket(server, wrong)
    key = "d3Jvbmctc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9w" if wrong else server.account_key
    config = {
        "azure_blob_storage_account_name": server.account,
        "azure_blob_storage_container_name": bucket,
        "azure_blob_storage_endpoint": server.endpoint,
        "credentials": {"auth_type": "storage_account_key", "azure_blob_storage_account_key": key},
    }
    return Case("source-azure-blob-storage", config, (key,))


def _sftp(server: SftpServer, wrong: bool) -> Case:
    bucket = _bucket(server, wrong)
    password = WRONG if wrong else server.password
    config = {
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.username,
        "credentials": {"auth_type": "password", "password": password},
        "folder_path": f"/{bucket}",
        "known_hosts": str(server.known_hosts),
    }
    return Case("source-sftp", config, (password,))


def _http(server: HttpServer, wrong: bool) -> Case:
    bucket = _bucket(server, wrong)
    password = WRONG if wrong else "right-s3cret-9876543210"
    url = server.url(bucket, "a.csv")
    config = {"urls": [url], "credentials": {"auth_type": "basic", "username": "user", "password": password}}
    return Case("source-http", config, (password,), url.replace("://", f"://user:{password}@"))


MAKERS: Mapping[str, tuple[str, Callable[[Any, bool], Case]]] = {
    "s3": ("seaweedfs", _s3),
    "gcs": ("fake_gcs", _gcs),
    "azure": ("azurite", _azure),
    "sftp": ("sftp_server", _sftp),
    "http": ("http_server", _http),
}


@pytest.fixture(params=[(kind, wrong) for kind in MAKERS for wrong in (False, True)], ids=lambda p: f"{p[0]}-{p[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    kind, wrong = request.param
    fixture, make = MAKERS[kind]
    server = request.getfixturevalue(fixture)
    return make(server, wrong)


def test_no_command_tells(case: Case, tmp_path: Path) -> None:
    stream = {"name": "t", "globs": ["**"], "format": {"filetype": "csv"}}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**case.config, "streams": [stream]}))
    catalog = tmp_path / "catalog.json"
    chosen = {
        "name": "t",
        "json_schema": {"properties": {"id": {"type": "string"}}},
        "supported_sync_modes": ["incremental"],
    }
    catalog.write_text(
        json.dumps({"streams": [{"stream": chosen, "sync_mode": "incremental", "destination_sync_mode": "append"}]})
    )
    out = tmp_path / "out"
    out.mkdir()
    sources: list[tuple[str, ...]] = [
        ("--connector", case.connector, str(config)),
        *([(case.url,)] if case.url else []),
    ]
    commands: list[tuple[str, ...]] = [
        (case.connector, verb, "--config", str(config)) for verb in ("check", "discover")
    ]
    commands.append((case.connector, "read", "--config", str(config), "--catalog", str(catalog)))
    for number, source in enumerate(sources):
        database = str(out / f"{number}.duckdb")
        commands += [("file-cdk", verb, "-v", *source) for verb in ("ls", "check")]
        commands.append(("file-cdk", "sync", "-v", *source, "--to", database))
    for command in commands:
        _run(command, out)
    for path in sorted(out.iterdir()):
        held = path.read_bytes()
        for secret in case.secrets:
            assert secret.encode() not in held, f"{path.name} tells"


def _run(command: tuple[str, ...], out: Path) -> None:
    name = f"{len(list(out.iterdir())):02}-{command[0]}-{command[1]}"
    environ = {**os.environ, "HOME": str(out.parent)}
    with open(out / f"{name}.stdout", "wb") as stdout, open(out / f"{name}.stderr", "wb") as stderr:
        program = [str(BIN / command[0]), *command[1:]]
        subprocess.run(program, stdout=stdout, stderr=stderr, timeout=90, check=False, env=environ)
    written = (out / f"{name}.stdout").stat().st_size + (out / f"{name}.stderr").stat().st_size
    assert written > 0, f"{name} said nothing"
