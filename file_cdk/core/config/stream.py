"""One stream: a set of files of one format, and what becomes of their records."""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from file_cdk.core.config.fields import Field, field_validator, model_validator
from file_cdk.core.config.formats import FormatConfig
from file_cdk.core.config.model import ConfigModel

JSON_TYPES = ("null", "boolean", "integer", "number", "float", "string", "object", "array")
"""Type names an `input_schema` may use; `float` means `number`."""


class ValidationPolicy(StrEnum):
    EMIT_RECORD = "Emit Record"
    SKIP_RECORD = "Skip Record"
    WAIT_FOR_DISCOVER = "Wait for Discover"


class StreamConfig(ConfigModel):
    name: str = Field(title="Name", description="Name of the stream, and of its table.", min_length=1)
    globs: list[str] = Field(
        default_factory=lambda: ["**"],
        title="Globs",
        description="Patterns of the files to read: `**`, `*`, `?`, `[…]`, `{a,b}`; `!` before one leaves files out.",
        min_length=1,
        json_schema_extra={"default": ["**"]},
    )
    legacy_prefix: str | None = Field(
        default=None, title="Legacy Prefix", description="Prefix that uris must have, as older configurations set it."
    )
    validation_policy: ValidationPolicy = Field(
        default=ValidationPolicy.EMIT_RECORD,
        title="Validation Policy",
        description="What to do with a record that does not fit the schema.",
    )
    input_schema: str | None = Field(
        default=None,
        title="Input Schema",
        description='Column types as a JSON object, for example {"id": "integer"}, in place of discovery.',
    )
    primary_key: str | list[str] | None = Field(
        default=None,
        title="Primary Key",
        description="Column or columns that identify a record.",
        json_schema_extra={"airbyte_hidden": True},
    )
    days_to_sync_if_history_is_full: int = Field(
        default=3,
        ge=0,
        title="Days To Sync If History Is Full",
        description="When the state's history is full, files modified within this many days are looked at again.",
    )
    history_limit: int | None = Field(
        default=None,
        ge=1,
        title="History Limit",
        description="How many files the state names. Files beyond it are remembered in a few bytes each.",
    )
    on_delete: Literal["keep", "remove"] | None = Field(
        default=None,
        title="On Delete",
        description="What becomes of rows in a table whose file is gone from the source. For tables alone.",
        json_schema_extra={"airbyte_hidden": True},
    )
    mode: Literal["append", "replace", "merge"] | None = Field(
        default=None,
        title="Mode",
        description="What a table shows: the rows of all files, of one sync, or one row of each key. For tables alone.",
        json_schema_extra={"airbyte_hidden": True},
    )
    key: str | list[str] | None = Field(
        default=None,
        title="Key",
        description="With mode merge: column or columns that rows are told apart by.",
        min_length=1,
        json_schema_extra={"airbyte_hidden": True},
    )
    cursor: str | None = Field(
        default=None,
        title="Cursor",
        description="With mode merge: the row with the greatest value of this column is shown, and else that of the latest file.",
        min_length=1,
        json_schema_extra={"airbyte_hidden": True},
    )
    deleted: str | None = Field(
        default=None,
        title="Deleted",
        description="With mode merge: a column that has a value, and not false or 0, in rows that remove theirs.",
        min_length=1,
        json_schema_extra={"airbyte_hidden": True},
    )
    format: FormatConfig = Field(title="Format", description="Format of the files and how to read it.")
    path_partitions: bool | None = Field(
        default=None,
        title="Path Partitions",
        description="Whether `key=value` segments of a file's path are columns. By default only of Parquet files.",
    )
    path_pattern: str | None = Field(
        default=None,
        title="Path Pattern",
        description="Regular expression searched for in a file's path; its named groups become string columns.",
    )
    max_expansion_ratio: int = Field(
        default=200,
        ge=1,
        title="Max Expansion Ratio",
        description="A compressed file that unpacks to more than this many times its size is refused (above 64 MiB).",
    )
    schemaless: bool = Field(
        default=False, title="Schemaless", description="Put each record whole into one object column `data`."
    )
    recent_n_files_to_read_for_schema_discovery: int | None = Field(
        default=None,
        gt=0,
        title="Files To Read For Schema Discover",
        description="How many of the latest files discovery samples.",
    )
    use_first_found_file_for_schema_discovery: bool = Field(
        default=False, title="Use First Found File For Schema Discovery", description="Discovery reads one file only."
    )

    @field_validator("path_pattern")
    @classmethod
    def _path_pattern_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                groups = re.compile(value).groupindex
            except re.error as exc:
                raise ValueError(f"must be a regular expression: {exc.msg} at character {exc.pos}") from None
            if not groups:
                raise ValueError("must have at least one named group, such as (?P<year>[0-9]{4})")
        return value

    @field_validator("input_schema", mode="before")
    @classmethod
    def _input_schema_as_text(cls, value: Any) -> Any:
        # In a YAML file a mapping is what comes to mind; the specification says text, as users' configurations have it.
        return json.dumps(value, default=str) if isinstance(value, Mapping) else value or None

    @field_validator("input_schema")
    @classmethod
    def _input_schema_is_types(cls, value: str | None) -> str | None:
        if value is not None:
            parse_input_schema(value)
        return value

    @model_validator(mode="after")
    def _exclusive_options(self) -> None:
        chosen = [
            name
            for name in ("schemaless", "input_schema", "use_first_found_file_for_schema_discovery")
            if getattr(self, name)
        ]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: set at most one")
        if self.recent_n_files_to_read_for_schema_discovery and self.use_first_found_file_for_schema_discovery:
            raise ValueError(
                "recent_n_files_to_read_for_schema_discovery and use_first_found_file_for_schema_discovery exclude each other"
            )

    @model_validator(mode="after")
    def _merges_by_a_key(self) -> None:
        named = [name for name in ("key", "cursor", "deleted") if getattr(self, name) is not None]
        if self.mode == "merge" and self.key is None:
            raise ValueError("key must name the columns that rows are merged by, for mode merge")
        if self.mode != "merge" and named:
            raise ValueError(
                f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} for mode merge: set mode to merge"
            )
        if len(set(self.key_columns)) < len(self.key_columns):
            raise ValueError("key must name each column once")

    @property
    def key_columns(self) -> list[str]:
        if self.key is None:
            return []
        return [self.key] if isinstance(self.key, str) else self.key

    @property
    def input_types(self) -> dict[str, str] | None:
        return None if self.input_schema is None else parse_input_schema(self.input_schema)

    @property
    def primary_key_columns(self) -> list[str]:
        if self.primary_key is None:
            return []
        return [self.primary_key] if isinstance(self.primary_key, str) else self.primary_key


def parse_input_schema(text: str) -> dict[str, str]:
    """`{"column": "type"}` from the JSON text of `input_schema`. Raises ValueError."""
    try:
        types = json.loads(text)
    except json.JSONDecodeError as exc:
        raise ValueError(f"must be a JSON object of column types: not JSON at character {exc.pos}") from None
    if not isinstance(types, dict) or not types:
        raise ValueError("must be a JSON object of column types")
    known = {column.strip(): name.strip().casefold() for column, name in types.items() if isinstance(name, str)}
    for column in types:
        if known.get(column.strip()) not in JSON_TYPES:
            raise ValueError(f"type of column {column!r} must be one of {', '.join(JSON_TYPES)}")
    return known
