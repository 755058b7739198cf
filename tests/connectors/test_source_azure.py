"""source-azure-blob-storage against Azurite, with every kind of credentials but tokens, and what needs no server."""

import dataclasses
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from azure.storage.blob import BlobBlock, ContainerSasPermissions, generate_container_sas
from hypothesis import given
from hypothesis import strategies as st
from source_azure_blob_storage.access import Access, Target
from source_azure_blob_storage.config import AzureConfig, connection_of, endpoint_of
from source_azure_blob_storage.sdk import refused
from source_azure_blob_storage.source import connector, store_of
from source_azure_blob_storage.store import page_of
from source_azure_blob_storage.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    ObstoreFirst,
    TransientError,
    sync,
)
from file_cdk.core.config import parse_config
from file_cdk.core.connector import Location
from file_cdk.core.files import RemoteFile
from file_cdk.protocol.spec import connection_specification
from file_cdk.testing.odd_keys import ODD_KEYS
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.process import free_ports

pytest_plugins = ["file_cdk.testing.plugin"]

Store = ObstoreFirst[Target]
STREAMS = [{"name": "t", "globs": ["**"], "format": {"filetype": "csv"}}]
WRONG_KEY = "d3Jvbmctc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9w"
JUNE = datetime(2026, 6, 1, 12, 30, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")) or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def config_of(account: str, container: str, **more: Any) -> AzureConfig:
    fields = {"azure_blob_storage_account_name": account, "azure_blob_storage_container_name": container}
    return parse_config(AzureConfig, {"streams": STREAMS, **fields, **more})


def by_key(server: Azurite, container: str, key: str = Azurite.account_key) -> AzureConfig:
    credentials = {"auth_type": "storage_account_key", "azure_blob_storage_account_key": key}
    return config_of(server.account, container, azure_blob_storage_endpoint=server.endpoint, credentials=credentials)


def sas_of(server: Azurite, container: str, *, permission: str = "rl", lasts: timedelta = timedelta(hours=1)) -> str:
    return generate_container_sas(
        server.account,
        container,
        server.account_key,
        permission=ContainerSasPermissions.from_string(permission),
        start=datetime.now(UTC) - timedelta(days=2),
        expiry=datetime.now(UTC) + lasts,
    )


def both_ways(config: AzureConfig) -> list[Store]:
    store = store_of(config)
    return [store, dataclasses.replace(store, by_obstore=False)]


def keys_of(store: Store, prefix: str = "") -> list[str]:
    return [file.uri for file in store.list_page(prefix, None).files]


def read(store: Store, file: RemoteFile, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.get(file, start, file.size_bytes if end is None else end))


# Listing


def test_a_listing_is_what_the_sdk_lists(azurite: Azurite, azurite_container: str) -> None:
    azurite.put_many(azurite_container, {key: key.encode() for key in ODD_KEYS if "\\" not in key})
    azurite.put_many(azurite_container, {"empty": b"", "folder/": b"", "a&b;&amp;<c>": b"1"})
    found = store_of(by_key(azurite, azurite_container)).list_page("", None).files
    with azurite.client() as client:
        blobs = [blob for blob in client.get_container_client(azurite_container).list_blobs() if blob.name[-1] != "/"]
    assert [file.uri for file in found] == [blob.name for blob in blobs]
    assert [(file.size_bytes, file.modified_at, file.etag) for file in found] == [
        (blob.size, blob.last_modified, blob.etag) for blob in blobs
    ]


def test_pages_go_on_where_they_ended(
    azurite: Azurite, azurite_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azurite.put_many(azurite_container, {f"p/{n:02}": b"x" for n in range(25)} | {"q": b"x"})
    monkeypatch.setattr("source_azure_blob_storage.store.PAGE_SIZE", 10)
    store, token = store_of(by_key(azurite, azurite_container)), None
    pages: list[list[str]] = []
    while not pages or token is not None:
        page = store.list_page("p/", token)
        pages.append([file.uri for file in page.files])
        token = page.next_token
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [key for each in pages for key in each] == [f"p/{n:02}" for n in range(25)]


def test_folders_that_other_programs_put_are_left_out(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "folder/a.csv", b"1")
    with azurite.client() as client:
        blob = client.get_blob_client(azurite_container, "folder")
        blob.upload_blob(b"", metadata={"hdi_isfolder": "true"})
        client.get_blob_client(azurite_container, "other").upload_blob(b"", metadata={"note": "hdi_isfolder"})
    assert keys_of(store_of(by_key(azurite, azurite_container))) == ["folder/a.csv", "other"]


def test_snapshots_and_blocks_not_yet_committed_are_left_out(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "a.csv", b"1")
    with azurite.client() as client:
        blob = client.get_blob_client(azurite_container, "a.csv")
        blob.create_snapshot()
        started = client.get_blob_client(azurite_container, "b.csv")
        started.stage_block("MDAx", b"2")
        assert keys_of(store_of(by_key(azurite, azurite_container))) == ["a.csv"]
        started.commit_block_list([BlobBlock("MDAx")])
    assert keys_of(store_of(by_key(azurite, azurite_container))) == ["a.csv", "b.csv"]


def entry(name: str, extra: str = "", *, size: int = 3) -> str:
    return (
        f"<Blob>{name}<Properties><Creation-Time>Mon, 01 Jun 2026 12:30:00 GMT</Creation-Time>"
        f"<Last-Modified>Mon, 01 Jun 2026 12:30:59 GMT</Last-Modified><Etag>0x8D</Etag>{extra}"
        f"<Content-Length>{size}</Content-Length></Properties></Blob>"
    )


def page(*entries: str, marker: str = "<NextMarker/>") -> bytes:
    blobs = "".join(entries)
    return f"\ufeff<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>".encode()


def test_names_that_xml_cannot_hold_come_percent_encoded() -> None:
    names = ['<Name Encoded="true">a%EF%BF%BE%25%2Fb.csv</Name>', "<Name>100%25.csv</Name>"]
    found = page_of(page(*map(entry, names))).files
    assert found == [RemoteFile("a\ufffe%/b.csv", 3, JUNE, "0x8D"), RemoteFile("100%25.csv", 3, JUNE, "0x8D")]


def test_directories_of_hierarchical_accounts_are_left_out() -> None:
    folder = entry("<Name>d</Name>", "<ResourceType>directory</ResourceType>", size=0)
    file = entry("<Name>d/a</Name>", "<ResourceType>file</ResourceType>")
    assert [each.uri for each in page_of(page(folder, file)).files] == ["d/a"]


def test_properties_in_another_order_are_found() -> None:
    blob = (
        "<Blob><Name>a&amp;b</Name><Properties><Content-Length>7</Content-Length><Etag>&quot;0x1&quot;</Etag>"
        "<Last-Modified>Mon, 01 Jun 2026 12:30:59 GMT</Last-Modified></Properties></Blob>"
    )
    neighbour = entry("<Name>c</Name>")
    assert page_of(page(blob, neighbour)).files == [
        RemoteFile("a&b", 7, JUNE, "0x1"),
        RemoteFile("c", 3, JUNE, "0x8D"),
    ]


def test_an_empty_page_may_have_a_next_one() -> None:
    found = page_of(page(marker="<NextMarker>2!72!a&amp;b</NextMarker>"))
    assert (list(found.files), found.next_token) == ([], "2!72!a&b")


@given(st.integers(0, 10_000))
def test_a_page_that_broke_off_is_none(cut: int) -> None:
    whole = page(entry("<Name>a</Name>"), entry("<Name>b</Name>"), marker="<NextMarker>m</NextMarker>")
    with pytest.raises(TransientError):
        page_of(whole[: cut % len(whole)])


@pytest.mark.parametrize("name", ["<Name>&nonsense;</Name>", "<Title>a</Title>", "<Name>&#x110000;</Name>"])
def test_a_damaged_page_is_none(name: str) -> None:
    with pytest.raises(TransientError, match="damaged"):
        page_of(page(entry(name)))


@pytest.mark.parametrize(
    ("element", "instead"),
    [
        ("Mon, 01 Jun 2026 12:30:59 GMT", "soon"),
        ("<Last-Modified>Mon, 01 Jun 2026 12:30:59 GMT</Last-Modified>", ""),
        ("<Content-Length>3</Content-Length>", ""),
    ],
)
def test_an_entry_without_size_or_time_is_listed_with_its_fault(element: str, instead: str) -> None:
    a, b, c = (entry(f"<Name>{name}</Name>") for name in "abc")
    assert [(file.uri, file.fault) for file in page_of(page(a, b.replace(element, instead), c)).files] == [
        ("a", None),
        ("b", "the server does not tell its size and modification time"),
        ("c", None),
    ]


# Reading


def test_ranges_and_odd_keys_both_ways(azurite: Azurite, azurite_container: str) -> None:
    contents = {key: b"0123456789" + key.encode() for key in ODD_KEYS if "\\" not in key}
    azurite.put_many(azurite_container, contents)
    for store in both_ways(by_key(azurite, azurite_container)):
        files = store.list_page("", None).files
        assert {file.uri: read(store, file) for file in files} == contents
        assert [read(store, file, 2, 5) for file in files] == [b"234"] * len(contents)


def test_big_blobs_come_in_pieces(azurite: Azurite, azurite_container: str) -> None:
    data = os.urandom(5_000_000)
    azurite.put(azurite_container, "big", data)
    for store in both_ways(by_key(azurite, azurite_container)):
        [file] = store.list_page("", None).files
        pieces = list(store.get(file, 100, 4_900_000))
        assert b"".join(pieces) == data[100:4_900_000]
        assert len(pieces) > 4


def test_a_blob_stored_as_compressed_comes_as_it_is_stored(azurite: Azurite, azurite_container: str) -> None:
    import gzip

    from azure.storage.blob import ContentSettings

    packed = gzip.compress(b"id\n1\n")
    with azurite.client() as client:
        settings = ContentSettings(content_encoding="gzip")
        client.get_blob_client(azurite_container, "a").upload_blob(packed, content_settings=settings)
    for store in both_ways(by_key(azurite, azurite_container)):
        [file] = store.list_page("", None).files
        assert read(store, file) == packed


@pytest.mark.parametrize("size", [1, 3, 9])
def test_a_replaced_blob_is_another_version(azurite: Azurite, azurite_container: str, size: int) -> None:
    azurite.put(azurite_container, "a.csv", b"old")
    stores = both_ways(by_key(azurite, azurite_container))
    [file] = stores[0].list_page("", None).files
    azurite.put(azurite_container, "a.csv", b"n" * size)
    for store in stores:
        with pytest.raises(FileChangedError, match=r"replaced.*The next sync takes the new version"):
            read(store, file)


def test_another_size_or_tag_is_noticed_without_the_condition(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "a.csv", b"12345")
    for store in both_ways(by_key(azurite, azurite_container)):
        [file] = store.list_page("", None).files
        shorter = RemoteFile(file.uri, 4, file.modified_at)
        with pytest.raises(FileChangedError):
            read(store, shorter)
        with pytest.raises(FileChangedError):
            read(store, RemoteFile(file.uri, 50, file.modified_at), 20, 30)


def test_a_blob_that_is_gone(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "a.csv", b"1")
    stores = both_ways(by_key(azurite, azurite_container))
    [file] = stores[0].list_page("", None).files
    azurite.delete(azurite_container, "a.csv")
    for store in stores:
        with pytest.raises(FileAccessError, match="gone") as caught:
            read(store, file)
        assert caught.value.uri == "a.csv"


# Credentials


def test_every_kind_of_static_credentials_opens_the_container(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "d/sp ace.csv", b"12345")
    azurite.put(azurite_container, "d/../e.csv".replace("/../", "//"), b"12345")
    sas = sas_of(azurite, azurite_container)
    with_sas = f"BlobEndpoint={azurite.endpoint};SharedAccessSignature={sas}"
    for credentials in (
        {"auth_type": "storage_account_key", "azure_blob_storage_account_key": f" {azurite.account_key}\n"},
        {"auth_type": "sas_token", "sas_token": sas},
        {"auth_type": "sas_token", "sas_token": f"?{sas}"},
        {"auth_type": "connection_string", "connection_string": azurite.connection_string},
        {"auth_type": "connection_string", "connection_string": with_sas},
    ):
        endpoint = None if "connection_string" in credentials else azurite.endpoint
        config = config_of(
            azurite.account, azurite_container, credentials=credentials, azure_blob_storage_endpoint=endpoint
        )
        for store in both_ways(config):
            files = store.list_page("", None).files
            assert [file.uri for file in files] == ["d//e.csv", "d/sp ace.csv"]
            assert [read(store, file, 1, 4) for file in files] == [b"234", b"234"]


def test_a_signature_in_a_url_goes_to_the_account_as_the_environment_knows_it(
    azurite: Azurite, azurite_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azurite.put(azurite_container, "a.csv", b"123")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    location = locate(f"az://{azurite_container}/?{sas_of(azurite, azurite_container)}")
    streams = [{"name": "s", "format": {"filetype": "csv"}}]
    store = store_of(AzureConfig(**{"streams": streams, **location.config}))
    assert (store.settings.endpoint, store.settings.access.kind) == (azurite.endpoint, "sas")
    assert [file.uri for file in store.list_page("", None).files] == ["a.csv"]


def test_the_environment_opens_the_container(
    azurite: Azurite, azurite_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azurite.put(azurite_container, "a.csv", b"123")
    sas = sas_of(azurite, azurite_container)
    for variables, described in (
        ({"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}, "account key from environment variable"),
        ({"AZURE_STORAGE_KEY": azurite.account_key}, "account key from environment variable AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_SAS_TOKEN": sas}, "SAS token from environment variable AZURE_STORAGE_SAS_TOKEN"),
    ):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setenv("AZURE_STORAGE_SERVICE_ENDPOINT", azurite.endpoint)
            config = config_of(azurite.account, azurite_container)
            assert connector.credential(config) is not None
            assert str(connector.credential(config)).startswith(described)
            store = store_of(config)
        # What the environment said has been taken along, so that a worker needs none.
        for each in (store, pickle.loads(pickle.dumps(store))):
            assert [read(each, file) for file in each.list_page("", None).files] == [b"123"]


def test_what_the_environment_says_of_another_account_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "another")
    monkeypatch.setenv("AZURE_STORAGE_KEY", WRONG_KEY)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=another;AccountKey={WRONG_KEY}")
    assert store_of(config_of("mine", "cont")).settings.access == Access("anonymous")
    assert store_of(config_of("another", "cont")).settings.access.kind == "key"


def test_obstore_takes_nothing_from_the_environment(
    azurite: Azurite, azurite_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azurite.put(azurite_container, "a.csv", b"123")
    for name, value in (
        ("AZURE_STORAGE_ACCOUNT_KEY", WRONG_KEY),
        ("AZURE_STORAGE_SAS_KEY", "sv=2021&sig=wrong"),
        ("AZURE_STORAGE_TOKEN", "wrong"),
        ("AZURE_STORAGE_ENDPOINT", "https://127.0.0.1:1"),
        ("AZURE_STORAGE_USE_EMULATOR", "true"),
        ("AZURE_SKIP_SIGNATURE", "true"),
    ):
        monkeypatch.setenv(name, value)
    store = store_of(by_key(azurite, azurite_container))
    [file] = store.list_page("", None).files
    by_obstore = store._fast()
    assert by_obstore is not None
    assert b"".join(by_obstore.get(file, 0, 3)) == b"123"


def test_a_public_container_needs_no_credentials(azurite: Azurite, bucket_name: str) -> None:
    with azurite.client() as client:
        client.create_container(bucket_name, public_access="container")
    azurite.put(bucket_name, "a.csv", b"123")
    config = config_of(azurite.account, bucket_name, azure_blob_storage_endpoint=azurite.endpoint)
    assert connector.credential(config) == "anonymous"
    for store in both_ways(config):
        assert [read(store, file) for file in store.list_page("", None).files] == [b"123"]


def test_refusals_say_what_to_do(azurite: Azurite, azurite_container: str) -> None:
    azurite.put(azurite_container, "a.csv", b"1")
    [file] = store_of(by_key(azurite, azurite_container)).list_page("", None).files
    endpoint = {"azure_blob_storage_endpoint": azurite.endpoint}
    expired = sas_of(azurite, azurite_container, lasts=timedelta(days=-1))
    for config, message in (
        (by_key(azurite, azurite_container, WRONG_KEY), "account key from the configuration is not accepted"),
        (
            config_of(
                azurite.account,
                azurite_container,
                **endpoint,
                credentials={"auth_type": "sas_token", "sas_token": expired},
            ),
            "SAS token from the configuration is not accepted.*expired",
        ),
        (config_of(azurite.account, azurite_container, **endpoint), "not public"),
    ):
        for store in both_ways(config):
            with pytest.raises(AccessError, match=message) as caught:
                store.list_page("", None)
            with pytest.raises((AccessError, FileAccessError)) as caught_too:
                read(store, file)
            for error in (caught.value, caught_too.value):
                assert not any(secret in told(error) for secret in (WRONG_KEY, expired, "sig=", azurite.account_key))


def told(error: FileCdkError) -> str:
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    return "".join(f"{each!r} {each} {vars(each)}" for each in chain)


def test_a_container_that_is_not_there(azurite: Azurite) -> None:
    with pytest.raises(AccessError, match="there is no container 'not-there' in account 'devstoreaccount1'"):
        store_of(by_key(azurite, "not-there")).list_page("", None)


def test_a_sas_token_that_may_not_list(azurite: Azurite, azurite_container: str) -> None:
    sas = sas_of(azurite, azurite_container, permission="r")
    credentials = {"auth_type": "sas_token", "sas_token": sas}
    config = config_of(
        azurite.account, azurite_container, azure_blob_storage_endpoint=azurite.endpoint, credentials=credentials
    )
    with pytest.raises(AccessError, match=r"r .*l") as caught:
        store_of(config).list_page("", None)
    assert "sig=" not in told(caught.value)


def test_nobody_there_may_pass() -> None:
    [port] = free_ports(1)
    credentials = {"auth_type": "sas_token", "sas_token": "sv=1&sig=s3cret"}
    config = config_of(
        "acct", "cont", azure_blob_storage_endpoint=f"http://127.0.0.1:{port}/acct", credentials=credentials
    )
    file = RemoteFile("a.csv", 3, JUNE, "0x8D")
    for store in both_ways(config):
        with pytest.raises(TransientError) as listed:
            store.list_page("", None)
        with pytest.raises(TransientError) as opened:
            read(store, file)
        assert "s3cret" not in told(listed.value) + told(opened.value)


TARGET = Target("acct", "cont", "https://acct.blob.core.windows.net", Access("key", "the configuration", WRONG_KEY))


def said(code: str, retry_after: str) -> dict[str, str]:
    return {"x-ms-error-code": code, "retry-after": retry_after}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "ServerBusy", TransientError),
        (500, "OperationTimedOut", TransientError),
        (429, "", TransientError),
        (409, "ContainerBeingDeleted", TransientError),
        (404, "BlobNotFound", FileAccessError),
        (404, "ContainerNotFound", AccessError),
        (403, "AuthorizationPermissionMismatch", FileAccessError),
        (403, "AuthenticationFailed", AccessError),
        (401, "InvalidAuthenticationInfo", AccessError),
        (409, "BlobArchived", FileAccessError),
        (412, "ConditionNotMet", FileChangedError),
        (416, "InvalidRange", FileChangedError),
        (418, "", AccessError),
    ],
)
def test_what_refusals_of_a_blob_mean(status: int, code: str, kind: type[FileCdkError]) -> None:
    error = refused(TARGET, status, said(code, "7" if status == 503 else ""), "a.csv")
    assert type(error) is kind
    assert WRONG_KEY not in told(error)
    if isinstance(error, TransientError):
        assert error.retry_after_s == (7.0 if status == 503 else None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "ServerBusy", TransientError),
        (404, "ResourceNotFound", AccessError),
        (403, "AuthorizationFailure", AccessError),
        (403, "AuthorizationPermissionMismatch", AccessError),
        (409, "PublicAccessNotPermitted", AccessError),
        (403, "KeyBasedAuthenticationNotPermitted", AccessError),
    ],
)
def test_what_refusals_of_a_listing_mean(status: int, code: str, kind: type[FileCdkError]) -> None:
    assert type(refused(TARGET, status, said(code, "soon"))) is kind


def test_tokens_are_not_sent_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    client = {"app_tenant_id": "t", "app_client_id": "c", "app_client_secret": "s3cret"}
    config = config_of(
        "acct",
        "cont",
        azure_blob_storage_endpoint="http://127.0.0.1:1/acct",
        credentials={"auth_type": "client_credentials", **client},
    )
    with pytest.raises(ConfigError, match="plain http"):
        store_of(config)
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "x")
    ambient = config_of("acct", "cont", azure_blob_storage_endpoint="http://127.0.0.1:1/acct")
    assert connector.credential(ambient) == "anonymous"
    assert connector.credential(config_of("acct", "cont")) == (
        "Azure identity from the environment (service principal)"
    )


# Configuration


def test_the_specification_has_the_fields_and_unions_of_existing_configurations() -> None:
    schema = connection_specification(AzureConfig)
    assert set(schema["required"]) == {
        "streams",
        "azure_blob_storage_account_name",
        "azure_blob_storage_container_name",
    }
    secrets = {
        "oauth2": {"tenant_id", "client_id", "client_secret", "refresh_token"},
        "client_credentials": {"app_tenant_id", "app_client_id", "app_client_secret"},
        "storage_account_key": {"azure_blob_storage_account_key"},
        "sas_token": {"sas_token"},
        "connection_string": {"connection_string"},
    }
    variants = schema["properties"]["credentials"]["oneOf"]
    assert [each["properties"]["auth_type"]["const"] for each in variants] == list(secrets)
    for variant, fields in zip(variants, secrets.values(), strict=True):
        properties = variant["properties"]
        assert {each for each, said in properties.items() if said.get("airbyte_secret")} == fields
        assert set(properties) == {"auth_type", *fields}


def test_the_specification_loads_no_sdk() -> None:
    script = (
        "import sys, source_azure_blob_storage.source as source, file_cdk.protocol.spec as spec; "
        "spec.connection_specification(source.connector.config_class); "
        "print([m for m in sys.modules if m.split('.')[0] in ('azure', 'requests', 'obstore', 'msal', 'pyarrow')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_secrets_show_nowhere() -> None:
    string = f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={WRONG_KEY};EndpointSuffix=core.windows.net"
    for credentials in (
        {"auth_type": "storage_account_key", "azure_blob_storage_account_key": WRONG_KEY},
        {"auth_type": "sas_token", "sas_token": f"sv=1&sig={WRONG_KEY}"},
        {"auth_type": "connection_string", "connection_string": string},
        {"auth_type": "client_credentials", "app_tenant_id": "t", "app_client_id": "c", "app_client_secret": WRONG_KEY},
    ):
        config = config_of("acct", "cont", credentials=credentials)
        store = store_of(config)
        shown = f"{config!r} {config} {store!r} {pickle.loads(pickle.dumps(store))!r} {connector.credential(config)}"
        assert WRONG_KEY not in shown
        assert store.origin == connector.origin(config) == "az://acct/cont"


@pytest.mark.parametrize(
    "credentials",
    [
        {"auth_type": "storage_account_key", "azure_blob_storage_account_key": "s3cret!"},
        {"auth_type": "sas_token", "sas_token": "s3cret"},
        {"auth_type": "connection_string", "connection_string": "s3cret"},
        {"auth_type": "connection_string", "connection_string": "AccountName=a;AccountKey=s3cret!"},
    ],
)
def test_what_is_no_credential_is_refused_unseen(credentials: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"credentials") as caught:
        config_of("acct", "cont", credentials=credentials)
    assert "s3cret" not in told(caught.value)


def test_a_connection_string_is_for_one_account() -> None:
    credentials = {"auth_type": "connection_string", "connection_string": f"AccountName=a1;AccountKey={WRONG_KEY}"}
    with pytest.raises(ConfigError, match="for account 'a1', not 'acct'"):
        store_of(config_of("acct", "cont", credentials=credentials))


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("blob.core.windows.net", "https://acct.blob.core.windows.net"),
        ("https://blob.core.chinacloudapi.cn/", "https://acct.blob.core.chinacloudapi.cn"),
        ("https://acct.blob.core.windows.net", "https://acct.blob.core.windows.net"),
        ("acct.privatelink.example.org", "https://acct.privatelink.example.org"),
        ("http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"),
    ],
)
def test_endpoints(text: str, endpoint: str) -> None:
    assert endpoint_of(text, "acct") == endpoint


@pytest.mark.parametrize("text", ["ftp://x", "https://u:p@host", "https://host/a?sig=s", "https://host:port", "a b"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="azure_blob_storage_endpoint") as caught:
        config_of("acct", "cont", azure_blob_storage_endpoint=text)
    assert text not in str(caught.value)


def test_connection_strings() -> None:
    emulator = connection_of("UseDevelopmentStorage=true;")
    assert (emulator.account, emulator.endpoint) == ("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1")
    assert emulator.key == Azurite.account_key
    china = connection_of(f"AccountName=a1;AccountKey={WRONG_KEY};EndpointSuffix=core.chinacloudapi.cn")
    assert (china.endpoint, china.key) == ("https://a1.blob.core.chinacloudapi.cn", WRONG_KEY)
    signed = connection_of("BlobEndpoint=https://a2.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x%3D")
    assert (signed.account, signed.sas, signed.key) == ("a2", "sv=1&sig=x%3D", None)


# URLs


def located(globs: tuple[str, ...], name: str, **more: Any) -> Location:
    fields = {"azure_blob_storage_account_name": "acct", "azure_blob_storage_container_name": "cont"}
    return Location({**fields, **more}, globs, name)


@pytest.mark.parametrize(
    ("path", "globs", "name"),
    [
        ("", ("**",), "cont"),
        ("/", ("**",), "cont"),
        ("/a/b/", ("a/b/**",), "b"),
        ("/a/b", ("a/b", "a/b/**"), "b"),
        ("/a/b.csv.gz", ("a/b.csv.gz",), "b"),
        ("/a/*.csv", ("a/*.csv",), "a"),
        ("/a/x?.csv", ("a/x?.csv",), "a"),
        ("/pct%20x.csv", ("pct%20x.csv",), "pct%20x"),
        ("/a/z.zip!in/x.csv", ("a/z.zip!in/x.csv", "a/z.zip!in/x.csv/**"), "x"),
    ],
)
@pytest.mark.parametrize(
    "root",
    [
        "az://cont",
        "abfs://cont",
        "az://acct.blob.core.windows.net/cont",
        "abfs://cont@acct.dfs.core.windows.net",
        "abfss://cont@acct.dfs.core.windows.net",
    ],
)
def test_urls(root: str, path: str, globs: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "acct")
    assert locate(root + path) == located(globs, name)


def test_a_signature_in_a_url_is_a_credential() -> None:
    sas = "sv=2021-12-02&sp=rl&sig=s3cret%2B"
    credentials = {"auth_type": "sas_token", "sas_token": sas}
    root = "az://acct.blob.core.windows.net/cont"
    assert locate(f"{root}/a/x?.csv?{sas}") == located(("a/x?.csv",), "a", credentials=credentials)
    assert locate(f"{root}?{sas}") == located(("**",), "cont", credentials=credentials)
    config = parse_config(AzureConfig, {"streams": STREAMS, **locate(f"{root}/?{sas}").config})
    assert "s3cret" not in f"{config!r}{connector.credential(config)}{connector.origin(config)}"


def test_another_cloud_in_a_url() -> None:
    found = locate("abfss://cont@acct.dfs.core.chinacloudapi.cn/a.csv")
    assert found.config["azure_blob_storage_endpoint"] == "https://acct.blob.core.chinacloudapi.cn"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("az://cont/a.csv", "environment"),
        ("az://", "container|account"),
        ("az://acct.blob.core.windows.net", "container"),
        ("az://acct.example.org/cont", "account"),
        ("abfs://user:s3cret@acct.dfs.core.windows.net/cont", "credentials"),
        ("s3://cont", "Azure"),
    ],
)
def test_urls_that_name_nothing(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        locate(url)
    assert "s3cret" not in str(caught.value)


# Whole


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sync_by_url(
    azurite: Azurite, azurite_container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    from file_cdk import SyncOptions

    azurite.put_many(azurite_container, {f"d/{n}.csv": f"id,name\n{n},n{n}\n".encode() for n in range(20)})
    azurite.put_many(azurite_container, {"d//odd.csv": b"id,name\n20,n20\n", "e.csv": b"id,name\n99,no\n"})
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    database = tmp_path / "x.duckdb"
    result = sync(f"az://{azurite_container}/d/", database, SyncOptions(workers=workers))
    assert result.failures == ()
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute("select id from d order by cast(id as int)").fetchall()
    assert [int(row[0]) for row in rows] == list(range(21))
