"""Shares of a budget reach whoever keeps to them."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from file_cdk import Connector, SourceConfig
from file_cdk.core.config import StreamConfig, parse_config
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.system.memory import MemoryShares
from file_cdk.destinations.postgres.destination import PostgresDestination
from file_cdk.destinations.sqlite.destination import SqliteDestination
from file_cdk.pipeline.execution import shares_of
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.sync import sync
from file_cdk.readers.local import LocalReader
from file_cdk.readers.objects import ObjectReader, Page

MB = 1_000_000


@dataclass(frozen=True)
class Store:
    origin: str = "store://bucket"

    def list_page(self, prefix: str, token: str | None) -> Page:
        raise NotImplementedError

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        raise NotImplementedError


CONFIG = {"streams": [{"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}]}


def stream_of(reader: Any) -> Stream:
    connector = Connector("source-store", SourceConfig, lambda _: reader)
    config = parse_config(SourceConfig, CONFIG)
    (stream,) = config.streams
    assert isinstance(stream, StreamConfig)
    return Stream.of(connector, config, stream, reader)


def test_a_reader_fetches_no_more_ahead_than_its_share_in_any_process() -> None:
    stream = stream_of(ObjectReader(Store())).within(MemoryShares(ahead_bytes=9 * MB))
    for reader in (stream.connectors_reader, pickle.loads(pickle.dumps(stream.reader)).inner):
        assert isinstance(reader, ObjectReader)
        assert reader.ahead_bytes == 9 * MB
        assert reader._shared_reads().ahead_bytes == 9 * MB


def test_a_reader_that_fetches_nothing_ahead_is_left_as_it_is(tmp_path: Path) -> None:
    stream = stream_of(LocalReader(str(tmp_path)))
    assert stream.within(MemoryShares(ahead_bytes=1)) is stream


def test_a_store_takes_more_of_a_budget_than_a_folder(tmp_path: Path) -> None:
    of_folder = shares_of(200 * MB, 2, [LocalReader(str(tmp_path))], database=False)
    of_store = shares_of(200 * MB, 2, [ObjectReader(Store())], database=False)
    assert of_store.outbox_bytes < of_folder.outbox_bytes


def test_a_destination_that_takes_rows_as_they_come_has_few_of_them_made_ahead(tmp_path: Path) -> None:
    target = PostgresDestination("postgres://u@127.0.0.1:1/d")
    assert SyncOptions().memory_of([], target).outbox_bytes == 8 << 20
    assert SyncOptions(memory_bytes=400 * MB, workers=2).memory_of([], target).outbox_bytes < 8 << 20
    others = SqliteDestination(str(tmp_path / "x.sqlite"))
    assert SyncOptions().memory_of([], others).outbox_bytes == MemoryShares().outbox_bytes


@pytest.mark.parametrize("wrong", [0, -1, "512MB", 1.5])
def test_what_is_no_number_of_bytes_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="memory_bytes must be a number of bytes"):
        SyncOptions(memory_bytes=wrong)


def test_the_option_counts_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("id\n1\n")
    monkeypatch.setenv("FILE_CDK_MEMORY", "1MB")
    with pytest.raises(ConfigError, match="a memory budget of 1,000,000 bytes is too small"):
        sync(tmp_path / "t.csv", tmp_path / "t.duckdb", SyncOptions(settle_s=0))
    assert not (tmp_path / "t.duckdb").exists()
    result = sync(tmp_path / "t.csv", tmp_path / "t.duckdb", SyncOptions(settle_s=0, memory_bytes=1000 * MB))
    assert result.streams[0].rows == 1
