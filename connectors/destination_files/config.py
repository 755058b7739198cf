"""What a configuration of destination-files holds."""

from file_cdk import ConfigModel, Field


class FilesConfig(ConfigModel):
    """Configuration of destination-files."""

    destination_path: str = Field(
        title="Destination Path",
        description="Folder that gets a folder for each stream: a path on this machine, or the URL of a bucket's prefix. How the "
        "bucket is reached, the environment says.",
        min_length=1,
        json_schema_extra={"examples": ["/local/lake", "s3://bucket/lake"]},
    )
