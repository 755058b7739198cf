"""The console examples of the guides to stores and to databases of servers, as they are written but for the names of hosts,
against servers on this machine; and the configurations that these guides show."""

import gzip
import json
import re
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from test_examples import GUIDE, SERVERS, STORES, examples, run_examples

from file_cdk import Connector
from file_cdk.core.config import parse_config, unknown_keys
from file_cdk.core.config.model import fields_of
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.http_server import HttpServer
from file_cdk.testing.servers.moto import MotoServer
from file_cdk.testing.servers.postgres import PostgresServer
from file_cdk.testing.servers.sftp_server import SftpServer

ORDERS = {"may.csv": b"id,item\n1,apple\n2,pear\n", "june.csv": b"id,item\n3,plum"}
BUCKET = "acme-exports"


@dataclass(frozen=True)
class Setting:
    """environ: for the commands. hosts: what stands in the page -> the server's."""

    environ: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture
def s3(moto_server: MotoServer) -> Setting:
    moto_server.create_bucket(BUCKET)
    moto_server.put_many(BUCKET, {f"orders/2024/{name}": data for name, data in ORDERS.items()})
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("may.csv", ORDERS["may.csv"])
    moto_server.put(BUCKET, "2024.zip", archive.getvalue())
    environ = {
        "AWS_ENDPOINT_URL": moto_server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": moto_server.access_key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_key,
    }
    return Setting(environ)


@pytest.fixture
def gcs(fake_gcs: FakeGCS) -> Setting:
    fake_gcs.create_bucket(BUCKET)
    fake_gcs.put_many(BUCKET, {f"orders/{name}": data for name, data in ORDERS.items()})
    return Setting({"STORAGE_EMULATOR_HOST": fake_gcs.endpoint})


@pytest.fixture
def azure(azurite: Azurite) -> Setting:
    azurite.create_bucket("container")
    azurite.put_many("container", {f"orders/{name}": data for name, data in ORDERS.items()})
    return Setting({"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string})


@pytest.fixture
def sftp(sftp_server: SftpServer, tmp_path: Path) -> Setting:
    sftp_server.create_bucket("exports")
    sftp_server.put_many("exports", ORDERS)
    own = tmp_path / ".ssh"
    own.mkdir()
    shutil.copy(sftp_server.known_hosts, own / "known_hosts")
    shutil.copy(sftp_server.client_key, own / "id_ed25519")
    hosts = {"me@sftp.example.com:22": f"{sftp_server.username}@{sftp_server.host}:{sftp_server.port}"}
    return Setting({"SSH_AUTH_SOCK": ""}, hosts)


@pytest.fixture
def http(http_server: HttpServer, ftp_server: str) -> Setting:
    http_server.create_bucket("data")
    months = [f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)]
    row = b"id,month\n1,2\n"
    http_server.put_many("data", {f"{month}.csv.gz": gzip.compress(row, mtime=0) for month in months})
    http_server.put("data", "late.csv", row)
    return Setting({}, {"https://host/": f"{http_server.endpoint}/", "password@host/": f"password@{ftp_server}/"})


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Setting:
    name = postgres_server.create_database()
    hosts = {"me@db.example.com/shop": postgres_server.url(name, password=False).removeprefix("postgres://")}
    return Setting({"PGPASSWORD": postgres_server.password}, hosts)


@pytest.fixture
def ftp_server(tmp_path: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        # Of asyncore and asynchat, which it uses; from Python 3.12 on it brings copies of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import ThreadedFTPServer

    folder = tmp_path / "ftp" / "path"
    folder.mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(b"id,month\n1,2\n")
    authorizer = DummyAuthorizer()
    authorizer.add_user("user", "password", str(folder.parent), perm="elr")
    server = ThreadedFTPServer(("127.0.0.1", 0), type("Handler", (FTPHandler,), {"authorizer": authorizer}))
    thread = Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.address[1]}"
    server.close_all()
    thread.join(5)


def page(name: str) -> str:
    path: Path = GUIDE / f"{name}.md"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*STORES, *SERVERS])
def test_examples_run(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    setting: Setting = request.getfixturevalue(name)
    text = page(name)
    assert examples(text)
    for host, local in setting.hosts.items():
        assert host in text
        text = text.replace(host, local)
    run_examples(text, tmp_path, {"HOME": str(tmp_path), **setting.environ})


CONNECTORS = {
    "azure": "source_azure_blob_storage",
    "gcs": "source_gcs",
    "http": "source_http",
    "ftp": "source_smart_open",
    "s3": "source_s3",
    "sftp": "source_sftp",
}


def configurations() -> list[Any]:
    """Of every fenced block of JSON or YAML: which connector's, and what is in it."""
    found = []
    for name in STORES:
        for kind, text in re.findall(r"^```(json|yaml)[^\n]*\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE):
            raw = json.loads(text) if kind == "json" else yaml.safe_load(text)
            connector = raw.pop("source", name)
            found.append(pytest.param(connector, raw, id=f"{name}-{connector}-{kind}"))
    return found


@pytest.mark.parametrize(("name", "raw"), configurations())
def test_configurations_are_valid(name: str, raw: dict[str, Any]) -> None:
    connector: Connector = import_module(f"{CONNECTORS[name]}.source").connector
    config = parse_config(connector.config_class, raw)
    assert list(unknown_keys(config, raw)) == []


@pytest.mark.parametrize("name", STORES)
def test_fields_in_the_tables_exist(name: str) -> None:
    """Of tables whose first column is headed `field`."""
    connector: Connector = import_module(f"{CONNECTORS[name]}.source").connector
    for table in re.findall(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)+)", page(name), re.MULTILINE):
        for row in table.splitlines():
            for field_name in re.findall(r"`(\w+)`", row.split("|")[1]):
                assert field_name in fields_of(connector.config_class)
