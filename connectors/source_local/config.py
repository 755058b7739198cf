"""What a configuration of source-local holds."""

from file_cdk import Field, SourceConfig


class LocalConfig(SourceConfig):
    """Configuration of source-local."""

    path: str = Field(title="Path", description="Folder that holds the files; uris are relative to it.", min_length=1)
    follow_symlinks: bool = Field(
        default=False,
        title="Follow Symlinks",
        description="Also read files outside the folder that links in it point to.",
    )
