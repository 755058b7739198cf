"""One source: the streams of a connector, and how their files are delivered."""

from datetime import datetime
from typing import ClassVar, Literal

from file_cdk.core.config.fields import Field, field_validator, model_validator
from file_cdk.core.config.model import ConfigModel
from file_cdk.core.config.stream import StreamConfig
from file_cdk.core.instants import parse_instant


class RecordsTransfer(ConfigModel, title="Records"):
    """Files are decoded, and their records sent."""

    delivery_type: Literal["use_records_transfer"] = Field(default="use_records_transfer", title="Delivery Type")


class FileTransfer(ConfigModel, title="Files"):
    """Each file is handed to the destination as it is, byte for byte and whatever it holds; no record is read."""

    delivery_type: Literal["use_file_transfer"] = Field(default="use_file_transfer", title="Delivery Type")
    preserve_directory_structure: bool = Field(
        default=True,
        title="Keep Folders",
        description=(
            "Whether a file arrives in folders as it lies in the source. Otherwise only its name is kept, and files that "
            "have one name are refused."
        ),
    )


DeliveryMethod = RecordsTransfer | FileTransfer


class SourceConfig(ConfigModel):
    """Base of every connector's config class: a connector adds its own fields (bucket, path, credentials …).

    older_keys: those that only configurations of older versions have, which the class turns into fields by itself.
    """

    older_keys: ClassVar[frozenset[str]] = frozenset()

    start_date: str | None = Field(
        default=None,
        title="Start Date",
        description="Files modified before this date (UTC) are not read, for example 2024-01-01 or 2024-01-01T00:00:00Z.",
        json_schema_extra={"format": "date-time", "examples": ["2021-01-01T00:00:00.000000Z"]},
    )
    streams: list[StreamConfig] = Field(
        title="Streams", description="Each stream is a set of files of one format that become one table.", min_length=1
    )
    delivery_method: DeliveryMethod = Field(
        default_factory=RecordsTransfer,
        title="Delivery Method",
        description="Send records, or copy files as they are.",
        json_schema_extra={"default": {"delivery_type": "use_records_transfer"}},
    )

    @field_validator("start_date")
    @classmethod
    def _start_date_parses(cls, value: str | None) -> str | None:
        if value is not None:
            parse_instant(value)
        return value

    @model_validator(mode="after")
    def _stream_names_are_unique(self) -> None:
        names = [stream.name for stream in self.streams]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"stream names must be unique: {', '.join(duplicates)}")

    @property
    def start_at(self) -> datetime | None:
        return None if self.start_date is None else parse_instant(self.start_date)
