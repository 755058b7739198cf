"""What a configuration of destination-sqlite holds."""

from file_cdk import ConfigModel, Field


class SQLiteConfig(ConfigModel):
    """Configuration of destination-sqlite."""

    destination_path: str = Field(
        title="Destination Path",
        description="Path of the database file, which is created when it is missing.",
        min_length=1,
        json_schema_extra={"examples": ["/local/warehouse.sqlite"]},
    )
