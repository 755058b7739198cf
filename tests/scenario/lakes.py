"""What readers find in folders of tables."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError

from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.registry import destination_for


@dataclass(frozen=True)
class Lake:
    """kind: how its URL begins."""

    kind: str
    path: Path

    @property
    def url(self) -> str:
        return f"{self.kind}:{self.path}/"

    def destination(self) -> FilesDestination:
        found = destination_for(self.url)
        assert isinstance(found, FilesDestination)
        return found

    def rows(self, table: str) -> pa.Table | None:
        """As the format's library reads them; None where there is no such table."""
        return {"files": self._of_files, "delta": self._of_delta, "iceberg": self._of_iceberg}[self.kind](table)

    def _of_files(self, table: str) -> pa.Table | None:
        files = latest(Folder(str(self.path))).tables.get(table)
        if not files:
            return None
        paths = [str(self.path / file.path) for file in files]
        with duckdb.connect() as connection:
            return connection.sql("FROM read_parquet(?, union_by_name = true)", params=[paths]).to_arrow_table()

    def _of_delta(self, table: str) -> pa.Table | None:
        if not DeltaTable.is_deltatable(str(self.path / table)):
            return None
        return DeltaTable(self.path / table).to_pyarrow_table()

    def _of_iceberg(self, table: str) -> pa.Table | None:
        if not (self.path / "catalog.sqlite").exists():
            return None
        with closing(SqlCatalog("default", uri=f"sqlite:///{self.path}/catalog.sqlite")) as catalog:
            try:
                return catalog.load_table(("default", table)).scan().to_arrow()
            except NoSuchTableError:
                return None
