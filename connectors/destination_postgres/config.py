"""What a configuration of destination-postgres holds."""

from typing import Literal

from file_cdk import ConfigModel, Field, secret_field


class PostgresConfig(ConfigModel):
    """Configuration of destination-postgres."""

    host: str = Field(title="Host", description="Name or address of the server, or folder of its socket.", min_length=1)
    port: int = Field(default=5432, ge=1, le=65535, title="Port", description="Port of the server.")
    database: str = Field(title="Database", description="Name of the database.", min_length=1)
    schema: str | None = Field(
        default=None,
        title="Schema",
        description="Schema that the tables are in, created when it is missing. By default the first of the search path.",
        json_schema_extra={"examples": ["public"]},
    )
    username: str = Field(title="User Name", description="User who logs in.", min_length=1)
    password: str | None = secret_field("Password", "Password of the user, if one is asked for.", None)
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer",
        title="SSL Mode",
        description="Whether the connection is encrypted, and who the server has to be.",
    )
