"""The conformance suites for destinations against each that is built in.

Each kind of table is asked all that it can do in one place. In a second one, where only the storage or the spelling of the
rows is another, it is asked what every destination is.
"""

from pathlib import Path

import pytest
from delta_landing import DeltaLanding
from duckdb_landing import DuckDBLanding
from files_landing import FilesLanding, TextLanding
from iceberg_landing import IcebergLanding
from postgres_landing import PostgresLanding
from sqlite_landing import SqliteLanding

from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE
from file_cdk.destinations.registry import BUILT_IN
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.ledger_conformance import LedgerConformance, RunLogConformance
from file_cdk.testing.merge_conformance import MergeConformance
from file_cdk.testing.resumable_conformance import ResumableConformance
from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.seaweedfs import SeaweedFS
from file_cdk.testing.slice_conformance import SliceConformance
from file_cdk.testing.state_conformance import StateConformance


class TestDuckDB(MergeConformance, ResumableConformance, RunLogConformance, LedgerConformance, SliceConformance):
    @pytest.fixture(autouse=True)
    def _keeps_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")

    def make_landing(self, tmp_path: Path) -> DuckDBLanding:
        return DuckDBLanding(str(tmp_path / "goods.duckdb"))


class TestSqlite(MergeConformance, RunLogConformance, LedgerConformance, SliceConformance):
    def make_landing(self, tmp_path: Path) -> SqliteLanding:
        return SqliteLanding(str(tmp_path / "goods.sqlite"))


class TestPostgres(MergeConformance, RunLogConformance, LedgerConformance, SliceConformance):
    @pytest.fixture
    def landing(self, postgres_database: str) -> PostgresLanding:
        return PostgresLanding(postgres_database)


class _InABucket:
    @pytest.fixture(autouse=True)
    def _in_s3(self, seaweedfs: SeaweedFS, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        seaweedfs.create_bucket(bucket_name)
        self.url = f"s3://{bucket_name}/lake"
        monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
        monkeypatch.setenv("AWS_REGION", seaweedfs.region)


class TestFilesInABucket(_InABucket, MergeConformance, RunLogConformance, LedgerConformance, StateConformance):
    def make_landing(self, tmp_path: Path) -> FilesLanding:
        return FilesLanding(self.url)


class TestFilesInGoogleCloudStorage(DestinationConformance):
    @pytest.fixture(autouse=True)
    def _in_gcs(self, fake_gcs: FakeGCS, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_gcs.create_bucket(bucket_name)
        self.url = f"gs://{bucket_name}/lake"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs.endpoint)

    def make_landing(self, tmp_path: Path) -> FilesLanding:
        return FilesLanding(self.url)


class TestFiles(MergeConformance, RunLogConformance, LedgerConformance, SliceConformance):
    def make_landing(self, tmp_path: Path) -> FilesLanding:
        return FilesLanding(str(tmp_path / "goods"))


class TestDelta(MergeConformance, RunLogConformance, LedgerConformance, StateConformance):
    def make_landing(self, tmp_path: Path) -> DeltaLanding:
        return DeltaLanding(str(tmp_path / "goods"))


class TestDeltaInABucket(_InABucket, DestinationConformance):
    def make_landing(self, tmp_path: Path) -> DeltaLanding:
        return DeltaLanding(self.url)


class TestFilesOfCsv(DestinationConformance):
    def make_landing(self, tmp_path: Path) -> TextLanding:
        return TextLanding(str(tmp_path / "goods"), "csv")


class TestFilesOfPackedJson(DestinationConformance):
    def make_landing(self, tmp_path: Path) -> TextLanding:
        return TextLanding(str(tmp_path / "goods"), "jsonl.gz")


class TestIceberg(MergeConformance, RunLogConformance, LedgerConformance, StateConformance):
    def make_landing(self, tmp_path: Path) -> IcebergLanding:
        return IcebergLanding(f"iceberg:{tmp_path / 'goods'}/")


class TestIcebergInABucket(_InABucket, DestinationConformance):
    """Its catalog is of its own, as pyiceberg's variables of the environment describe it."""

    def make_landing(self, tmp_path: Path) -> IcebergLanding:
        return IcebergLanding(f"iceberg:{self.url}?catalog=lakes&namespace=shop")

    @pytest.fixture(autouse=True)
    def _in_a_catalog(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYICEBERG_CATALOG__LAKES__URI", f"sqlite:///{tmp_path / 'lakes.sqlite'}")


def test_each_built_in_destination_is_run() -> None:
    assert set(BUILT_IN) == {"duckdb", "sqlite", "files", "delta", "iceberg", "postgres", "postgresql"}
