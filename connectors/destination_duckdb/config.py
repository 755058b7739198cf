"""What a configuration of destination-duckdb holds."""

from file_cdk import ConfigModel, Field


class DuckDBConfig(ConfigModel):
    """Configuration of destination-duckdb."""

    destination_path: str = Field(
        title="Destination Path",
        description="Path of the database file, which is created when it is missing.",
        min_length=1,
        json_schema_extra={"examples": ["/local/warehouse.duckdb"]},
    )
