"""The conformance suite for destinations against each that is built in."""

from pathlib import Path

import pytest
from duckdb_landing import DuckDBLanding
from files_landing import FilesLanding
from postgres_landing import PostgresLanding
from sqlite_landing import SqliteLanding

from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE
from file_cdk.destinations.registry import BUILT_IN
from file_cdk.testing.ledger_conformance import LedgerConformance, RunLogConformance
from file_cdk.testing.merge_conformance import MergeConformance
from file_cdk.testing.resumable_conformance import ResumableConformance
from file_cdk.testing.servers.seaweedfs import SeaweedFS


class TestDuckDB(MergeConformance, ResumableConformance, RunLogConformance, LedgerConformance):
    @pytest.fixture(autouse=True)
    def _keeps_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")

    def make_landing(self, tmp_path: Path) -> DuckDBLanding:
        return DuckDBLanding(str(tmp_path / "goods.duckdb"))


class TestSqlite(MergeConformance, RunLogConformance, LedgerConformance):
    def make_landing(self, tmp_path: Path) -> SqliteLanding:
        return SqliteLanding(str(tmp_path / "goods.sqlite"))


class TestPostgres(MergeConformance, RunLogConformance, LedgerConformance):
    @pytest.fixture
    def landing(self, postgres_database: str) -> PostgresLanding:
        return PostgresLanding(postgres_database)


class TestFilesInABucket(MergeConformance, RunLogConformance, LedgerConformance):
    @pytest.fixture(autouse=True)
    def _in_s3(self, seaweedfs: SeaweedFS, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        seaweedfs.create_bucket(bucket_name)
        self.url = f"s3://{bucket_name}/lake"
        monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
        monkeypatch.setenv("AWS_REGION", seaweedfs.region)

    def make_landing(self, tmp_path: Path) -> FilesLanding:
        return FilesLanding(self.url)


class TestFiles(MergeConformance, RunLogConformance, LedgerConformance):
    def make_landing(self, tmp_path: Path) -> FilesLanding:
        return FilesLanding(str(tmp_path / "goods"))


def test_each_built_in_destination_is_run() -> None:
    assert set(BUILT_IN) == {"duckdb", "sqlite", "files", "postgres", "postgresql"}
