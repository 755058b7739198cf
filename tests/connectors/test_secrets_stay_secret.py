"""No byte that any command prints, logs or keeps holds a secret, whether the secret opens the store or not."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote

import duckdb
import pytest
import warm

from file_cdk.testing.servers import ObjectServer
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.http_server import HttpServer
from file_cdk.testing.servers.moto import MotoServer
from file_cdk.testing.servers.seaweedfs import SeaweedFS
from file_cdk.testing.servers.sftp_server import SftpServer

Json = dict[str, Any]
Command = tuple[str, ...]

ROWS = b"id,name\n1,a\n2,b\n3,c,too many\n"
"""The last one is rejected."""
AWKWARD = "s3cr3t&Pa=ss/9876 +w@rd'\"%41"
"""Of characters that are written in another way in URLs, JSON, headers and shells."""
WRONG = "wr0ng-s3cret-0123456789abcdefghij"
ACCESS_TOKEN = "ya29.acc3ss-t0ken-0123456789"
AZURE_WRONG = "d3Jvbmctc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9w"


@dataclass(frozen=True)
class Case:
    """What opens a store: a connector's configuration, or a URL and the environment, or both.

    secrets: every text in it that nobody may see, in whatever spelling. user: whom a password belongs to.
    """

    connector: str
    config: Json | None
    secrets: tuple[str, ...]
    url: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    user: str = ""

    @property
    def spellings(self) -> set[bytes]:
        found = set()
        for secret in self.secrets:
            for text in (secret, quote(secret), quote(secret, safe=""), quote(secret, safe="=&")):
                found |= {text, json.dumps(text)[1:-1], repr(text)[1:-1]}
            for text in (secret, f"{self.user}:{secret}"):
                # The end of it depends on what follows.
                found.add(base64.b64encode(text.encode()).decode().rstrip("=")[:-2])
        return {text.encode() for text in found}


def _bucket(server: ObjectServer, kind: str) -> str:
    """The servers are shared."""
    name = f"secrets-{kind}-{os.urandom(4).hex()}"
    server.create_bucket(name)
    server.put(name, "a.csv", ROWS)
    return name


def _s3_environ(server: SeaweedFS | MotoServer, secret: str, **more: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        **more,
    }


def s3(server: SeaweedFS, wrong: bool) -> Case:
    bucket = _bucket(server, "s3")
    secret = WRONG if wrong else server.secret_key
    config = {
        "bucket": bucket,
        "endpoint": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": secret,
    }
    return Case("source-s3", config, (secret,))


def s3_session(server: SeaweedFS, wrong: bool) -> Case:
    """Temporary credentials of the environment; SeaweedFS knows no session."""
    bucket = _bucket(server, "session")
    secret = WRONG if wrong else server.secret_key
    token = "FwoGZXIvYXdzEXAMPLEsessi0nT0ken//////////wEaDA=="
    environ = _s3_environ(server, secret, AWS_SESSION_TOKEN=token)
    return Case("source-s3", None, (secret, token), f"s3://{bucket}/", environ)


def s3_moto_session(server: MotoServer, wrong: bool) -> Case:
    """The same where it opens the bucket; wrong: with an endpoint that has a password in it."""
    bucket = _bucket(server, "session")
    token = "FwoGZXIvYXdzEXAMPLEsessi0nT0ken//////////wEaDA=="
    environ = _s3_environ(server, server.secret_key, AWS_SESSION_TOKEN=token)
    if wrong:
        environ["AWS_ENDPOINT_URL"] = server.endpoint.replace("://", f"://user:{WRONG}@")
    return Case("source-s3", None, (server.secret_key, token, WRONG), f"s3://{bucket}/", environ)


def gcs(server: tuple[FakeGCS, str], wrong: bool) -> Case:
    """wrong: a key that the server of tokens refuses, and quotes."""
    bucket = _bucket(server[0], "gcs")
    account = _service_account(f"{server[1]}/{'refused' if wrong else 'token'}")
    credentials = {"auth_type": "Service", "service_account": json.dumps(account)}
    config = {"bucket": bucket, "endpoint": server[0].endpoint, "credentials": credentials}
    return Case("source-gcs", config, (*_lines(account["private_key"]), ACCESS_TOKEN))


def gcs_client(server: tuple[FakeGCS, str], wrong: bool) -> Case:
    """An OAuth client; wrong: a key that is none."""
    bucket = _bucket(server[0], "client")
    names = ("client_id", "client_secret", "access_token", "refresh_token")
    credentials = {"auth_type": "Client", **{name: f"{name}-{WRONG}" for name in names}}
    if wrong:
        account = {**_service_account(server[1]), "private_key": f"-----BEGIN PRIVATE KEY-----\n{WRONG}\n"}
        credentials = {"auth_type": "Service", "service_account": json.dumps(account)}
    return Case("source-gcs", {"bucket": bucket, "endpoint": server[0].endpoint, "credentials": credentials}, (WRONG,))


def gcs_file(server: tuple[FakeGCS, str], wrong: bool) -> Case:
    """A key file of the environment; wrong: cut off within the key."""
    bucket = _bucket(server[0], "file")
    account = _service_account(f"{server[1]}/token")
    text = json.dumps(account)
    file = Path(os.environ["FILE_CDK_TEST_FOLDER"], "key.json")
    file.write_text(text[: text.index("private_key") + 900] if wrong else text)
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "STORAGE_EMULATOR_HOST": server[0].endpoint}
    return Case("source-gcs", None, _lines(account["private_key"]), f"gs://{bucket}/", environ)


def _service_account(token_uri: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key_id": "0123",
        "private_key": key.decode(),
        "token_uri": token_uri,
    }


def _lines(pem: str) -> tuple[str, ...]:
    return tuple(line for line in pem.splitlines() if len(line) > 20 and "-----" not in line)


def azure(server: Azurite, wrong: bool) -> Case:
    key = AZURE_WRONG if wrong else server.account_key
    config = {
        "azure_blob_storage_account_name": server.account,
        "azure_blob_storage_container_name": _bucket(server, "azure"),
        "azure_blob_storage_endpoint": server.endpoint,
        "credentials": {"auth_type": "storage_account_key", "azure_blob_storage_account_key": key},
    }
    return Case("source-azure-blob-storage", config, (key,))


def azure_connection(server: Azurite, wrong: bool) -> Case:
    bucket = _bucket(server, "connection")
    key = AZURE_WRONG if wrong else server.account_key
    text = server.connection_string.replace(server.account_key, key)
    environ = {"AZURE_STORAGE_CONNECTION_STRING": text}
    return Case("source-azure-blob-storage", None, (key,), f"az://{bucket}/", environ)


def azure_sas(server: Azurite, wrong: bool) -> Case:
    """In the environment; wrong: in the configuration, signed with another key."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    bucket = _bucket(server, "sas")
    token = generate_container_sas(
        server.account,
        bucket,
        account_key=AZURE_WRONG if wrong else server.account_key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    [signature] = [part.removeprefix("sig=") for part in token.split("&") if part.startswith("sig=")]
    if wrong:
        config = {
            "azure_blob_storage_account_name": server.account,
            "azure_blob_storage_container_name": bucket,
            "azure_blob_storage_endpoint": server.endpoint,
            "credentials": {"auth_type": "sas_token", "sas_token": token},
        }
        return Case("source-azure-blob-storage", config, (unquote(signature),))
    environ = {
        "AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={server.endpoint};SharedAccessSignature={token};",
        "AZURE_STORAGE_ACCOUNT": server.account,
    }
    return Case("source-azure-blob-storage", None, (unquote(signature),), f"az://{bucket}/", environ)


def sftp(server: SftpServer, wrong: bool) -> Case:
    bucket = _bucket(server, "sftp")
    password = WRONG if wrong else server.password
    config = {
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.username,
        "credentials": {"auth_type": "password", "password": password},
        "folder_path": f"/{bucket}",
        "known_hosts": str(server.known_hosts),
    }
    return Case("source-sftp", config, (password,), user=server.username)


def sftp_url(server: SftpServer, wrong: bool) -> Case:
    """wrong: with characters that ought to be percent-encoded."""
    bucket = _bucket(server, "url")
    password = "wr0ng/s3cret@01234" if wrong else server.password
    hosts = Path(os.environ["FILE_CDK_TEST_FOLDER"], ".ssh", "known_hosts")
    hosts.parent.mkdir()
    hosts.write_bytes(server.known_hosts.read_bytes())
    url = f"sftp://{server.username}:{password}@127.0.0.1:{server.port}/{bucket}/"
    return Case("source-sftp", None, (password,), url, user=server.username)


def sftp_key(server: SftpServer, wrong: bool) -> Case:
    """wrong: a key in another passphrase."""
    from cryptography.hazmat.primitives import serialization

    bucket = _bucket(server, "key")
    key = serialization.load_ssh_private_key(server.client_key.read_bytes(), None)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(AWKWARD.encode()),
    ).decode()
    passphrase = WRONG if wrong else AWKWARD
    config = {
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.username,
        "credentials": {"auth_type": "private_key", "private_key": pem, "passphrase": passphrase},
        "folder_path": f"/{bucket}",
        "known_hosts": str(server.known_hosts),
    }
    return Case("source-sftp", config, (passphrase, *_lines(pem)))


def http(server: HttpServer, wrong: bool) -> Case:
    bucket = _bucket(server, "http")
    password = WRONG if wrong else AWKWARD
    config = {
        "urls": [server.url(bucket, "a.csv")],
        "credentials": {"auth_type": "basic", "username": "user", "password": password},
        "headers": {"X-Api-Key": f"{AWKWARD}-key"},
    }
    return Case("source-http", config, (password, f"{AWKWARD}-key"), user="user")


def http_url(server: HttpServer, wrong: bool) -> Case:
    """A user and a signature in the URL."""
    password = WRONG if wrong else AWKWARD
    url = server.url(_bucket(server, "url"), "a.csv").replace("://", f"://user:{quote(password, safe='')}@")
    signature = "sKx%2FQx1sIgNaTuRe0123456789%3D"
    return Case("source-http", None, (password, signature), f"{url}?sv=2024&sig={signature}", user="user")


def http_bearer(server: HttpServer, wrong: bool) -> Case:
    """wrong: through a proxy that refuses, and whose password is in the environment."""
    bucket = _bucket(server, "bearer")
    token = WRONG if wrong else AWKWARD
    config = {
        "urls": [f"{server.url(bucket, 'a.csv')}?access_token=t0ken-{WRONG}"],
        "credentials": {"auth_type": "bearer", "token": token},
    }
    proxies = {"http_proxy": server.endpoint.replace("://", f"://me:pr0xy-{WRONG}@")} if wrong else {}
    return Case("source-http", config, (token, WRONG), environ=proxies)


def ftp(server: tuple[str, Path], wrong: bool) -> Case:
    address, root = server
    (root / "a.csv").write_bytes(ROWS)
    password = WRONG if wrong else AWKWARD
    url = f"ftp://bob:{quote(password, safe='')}@{address}/a.csv"
    config = {"urls": [url], "transport_params": {"timeout": 20}}
    return Case("source-smart-open", config, (password,), url, user="bob")


class Tokens(BaseHTTPRequestHandler):
    """As Google's, which quotes what it refuses more than it should."""

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        granted = self.path == "/token"
        body = {"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        answer = json.dumps(body if granted else {"error": "invalid_grant", "error_description": sent}).encode()
        self.send_response(200 if granted else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def gcs_and_tokens(fake_gcs: FakeGCS) -> Iterator[tuple[FakeGCS, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield fake_gcs, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def guarded_http_server() -> Iterator[HttpServer]:
    with HttpServer(username="user", password=AWKWARD) as server:
        yield server


@pytest.fixture(scope="module")
def bearer_http_server() -> Iterator[HttpServer]:
    with HttpServer(token=AWKWARD) as server:
        yield server


@pytest.fixture(scope="module")
def ftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and folder."""
    import warnings

    with warnings.catch_warnings():
        # Of asyncore and asynchat, which it uses; from Python 3.12 on it brings copies of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import ThreadedFTPServer

    root = tmp_path_factory.mktemp("ftp")
    authorizer = DummyAuthorizer()
    authorizer.add_user("bob", AWKWARD, str(root), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer, "auth_failed_timeout": 0.1})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.address[1]}", root
    server.close_all()
    thread.join(5)


CONFIGURED: Mapping[Callable[[Any, bool], Case], str] = {
    s3: "seaweedfs",
    gcs: "gcs_and_tokens",
    azure: "azurite",
    sftp: "sftp_server",
    http: "guarded_http_server",
    ftp: "ftp_server",
}
"""With all commands; the others with those that use secrets in ways of their own."""

OTHERS: Mapping[Callable[[Any, bool], Case], str] = {
    s3_session: "seaweedfs",
    s3_moto_session: "moto_server",
    gcs_client: "gcs_and_tokens",
    gcs_file: "gcs_and_tokens",
    azure_connection: "azurite",
    azure_sas: "azurite",
    sftp_url: "sftp_server",
    sftp_key: "sftp_server",
    http_url: "guarded_http_server",
    http_bearer: "bearer_http_server",
}


def _cases(makers: Mapping[Callable[[Any, bool], Case], str]) -> list[Any]:
    pairs = [(make, server, wrong) for make, server in makers.items() for wrong in (False, True)]
    return [pytest.param(pair, id=f"{pair[0].__name__}-{'wrong' if pair[2] else 'right'}") for pair in pairs]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("FILE_CDK_TEST_FOLDER", str(tmp_path))
    make, server, wrong = request.param
    made: Case = make(request.getfixturevalue(server), wrong)
    return made


class Runs:
    """Commands, and all that they wrote."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.folder, self.case = folder, case
        self.out = folder / "out"
        self.out.mkdir()
        (folder / "staging").mkdir()
        self.codes: dict[str, int] = {}
        # Of the machine, nothing that could be taken for credentials.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))}
        self.environ = {
            **kept,
            "HOME": str(folder),
            "AIRBYTE_STAGING_DIRECTORY": str(folder / "staging"),
            "FILE_CDK_AZURITE": "",
            **case.environ,
        }

    def run(self, chains: Sequence[Sequence[Command]]) -> None:
        """Those of one chain one after the other."""
        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(self._run_all, number, chain) for number, chain in enumerate(chains)]:
                done.result()

    def _run_all(self, chain: int, commands: Sequence[Command]) -> None:
        for number, command in enumerate(commands):
            name = f"{chain}-{number}-{command[0]}-{command[1]}"
            with open(self.out / f"{name}.out", "wb") as stdout, open(self.out / f"{name}.err", "wb") as stderr:
                code = warm.run(
                    *command, cwd=self.folder, env=self.environ, stdout=stdout, stderr=stderr, by=warm.STORES
                )
            written = (self.out / f"{name}.out").stat().st_size + (self.out / f"{name}.err").stat().st_size
            assert written > 0, f"{name} said nothing"
            self.codes[name] = code

    def assert_nothing_told(self) -> None:
        for database in self.out.glob("*.duckdb"):
            # What stands in the file itself may be compressed.
            database.with_suffix(".rows").write_text(_rows(database))
        spellings = self.case.spellings
        for path in sorted(path for path in self.out.rglob("*") if path.is_file()):
            held = path.read_bytes()
            told = [spelling for spelling in spellings if spelling in held]
            assert not told, f"{path.name} tells {told}: {held.decode(errors='replace')}"

    def config(self, name: str, **more: Any) -> str:
        path = self.folder / f"{name}.json"
        stream = {"name": "t", "globs": ["**"], "format": {"filetype": "csv", "ragged": "reject"}}
        path.write_text(json.dumps({**(self.case.config or {}), "streams": [stream], **more}))
        return str(path)


def _rows(database: Path) -> str:
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("select table_name, sql from duckdb_tables()").fetchall()
        rows = [connection.execute(f'from "{name}"').fetchall() for name, _ in tables]
    return f"{tables}\n{rows}"


@pytest.mark.parametrize("case", _cases(CONFIGURED), indirect=True)
def test_no_command_tells(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    runs, right = Runs(tmp_path, case), request.node.callspec.id.endswith("right")
    config = runs.config("config")
    chosen = {
        "name": "t",
        "json_schema": {"properties": {"id": {"type": "string"}}},
        "supported_sync_modes": ["incremental"],
    }
    catalog = tmp_path / "catalog.json"
    catalog.write_text(
        json.dumps({"streams": [{"stream": chosen, "sync_mode": "incremental", "destination_sync_mode": "append"}]})
    )
    transfer = runs.config("transfer", delivery_method={"delivery_type": "use_file_transfer"})
    read = (case.connector, "read", "--debug", "--catalog", str(catalog), "--config")
    state = tmp_path / "state.json"
    source = ("--connector", case.connector, config)
    database = str(runs.out / "rows.duckdb")
    sync = ("file-cdk", "sync", "-v", *source, "--max-rejects", "5", "--to", database)
    chains: list[list[Command]] = [
        [
            (*sync, "--workers", "0", "--summary-json", str(runs.out / "summary.json")),
        ],
        [("file-cdk", "check", "-v", *source)],
        [(case.connector, "discover", "--debug", "--config", config)],
        [(*read, transfer)],
        [(*read, config, "--workers", "1" if right else "0")],
    ]
    if right:
        chains[0] += [
            ("file-cdk", "rejects", database),
            ("file-cdk", "rejects", database, "--json"),
            ("file-cdk", "ls", "-v", *source, "--to", database),
        ]
        chains += [
            [("file-cdk", "check", "-v", "--json", *source)],
            [("file-cdk", "ls", "-v", "--json", "--all", *source)],
            [(case.connector, "check", "--debug", "--config", config)],
        ]
    runs.run(chains)
    if right:
        assert set(runs.codes.values()) == {0}, runs.codes
        assert [path.read_bytes() for path in (tmp_path / "staging").rglob("*.csv")] == [ROWS]
        lines = [json.loads(line) for line in (runs.out / f"4-0-{case.connector}-read.out").read_bytes().splitlines()]
        state.write_text(json.dumps([line["state"] for line in lines if line["type"] == "STATE"]))
        runs.run([[(*read, config, "--state", str(state), "--workers", "0")]])
    else:
        assert 0 not in [code for name, code in runs.codes.items() if "sync" in name], runs.codes
    runs.assert_nothing_told()


@pytest.mark.parametrize("case", _cases(OTHERS), indirect=True)
def test_neither_urls_nor_the_environment_are_told(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    runs = Runs(tmp_path, case)
    source = (case.url,) if case.url else ("--connector", case.connector, runs.config("config"))
    sync = ("file-cdk", "sync", "-v", *source, "--max-rejects", "5", "--to", str(runs.out / "rows.duckdb"))
    right = request.node.callspec.id.endswith("right")
    chains = [[(*sync, "--summary-json", "-")], [("file-cdk", "check", "-v", "--json", *source)]]
    runs.run([*chains, [("file-cdk", "ls", "-v", *source)]] if right else chains)
    if right:
        assert set(runs.codes.values()) <= ({0, 3, 5} if case.environ.get("AWS_SESSION_TOKEN") else {0}), runs.codes
    runs.assert_nothing_told()


def test_texts_in_the_wrong_place_are_not_told(tmp_path: Path) -> None:
    """A URL where a file or a destination belongs, a password that YAML takes for something else, or cut in two."""
    url = f"sftp://user:{WRONG}@127.0.0.1:9/x.csv"
    case = Case("source-sftp", None, (WRONG, "2024-13-45"))
    runs = Runs(tmp_path, case)
    (tmp_path / "a.csv").write_bytes(b"id\n1\n")
    for name, password in {
        "alias": f"*{WRONG}",
        "tag": f"!{WRONG}",
        "handle": f"!x!{WRONG}",
        "day": "2024-13-45",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(f"host: h\nusername: u\npassword: {password}\nstreams: []\n")
    commands: list[Command] = [
        ("file-cdk", "sync", "--connector", "s3", url, "--to", "x.duckdb"),
        ("file-cdk", "sync", url, "extra", "--to", "x.duckdb"),
        ("file-cdk", "sync", url, f"--tok={WRONG}", "--to", "x.duckdb"),
        ("file-cdk", "sync", "a.csv", "--to", f"duckdb:md:shop?motherduck_token={WRONG}"),
        ("file-cdk", "sync", "a.csv", "--to", f"postgres://user:{WRONG}@127.0.0.1/db"),
        ("file-cdk", "sync", "a.csv", "--to", f"duckdb://user:{WRONG}@127.0.0.1/db"),
        ("file-cdk", "ls", f"az://account.blob.core.windows.net/NO/?sv=2024&sig={WRONG}"),
        ("file-cdk", "ls", f"abfs://container:{WRONG}@account.dfs.core.windows.net/"),
        ("file-cdk", "ls", f"https://127.0.0.1:9/?sv=2024&sig={WRONG}"),
        ("file-cdk", "check", f"ftp://user:{WRONG}@127.0.0.1/*.csv"),
        ("file-cdk", "rejects", f"duckdb://user:{WRONG}@127.0.0.1/db"),
        *[
            ("file-cdk", "ls", "-v", f"{name}.yaml", "--connector", "sftp")
            for name in ("alias", "tag", "handle", "day")
        ],
        ("source-sftp", "check", "--debug", "--config", url),
    ]
    runs.run([[command] for command in commands])
    assert 0 not in runs.codes.values()
    assert 1 not in [code for name, code in runs.codes.items() if "file-cdk" in name], runs.codes
    runs.assert_nothing_told()


def test_what_is_looked_for() -> None:
    case = Case("", None, (AWKWARD,), user="user")
    assert any(spelling in b"Basic " + base64.b64encode(f"user:{AWKWARD}".encode()) for spelling in case.spellings)
    assert quote(AWKWARD, safe="").encode() in case.spellings
    assert not any(spelling in b"nothing told" for spelling in replace(case, secrets=(WRONG,)).spellings)
