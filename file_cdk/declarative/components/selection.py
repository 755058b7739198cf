"""Where in an answer the records are, which of them are taken, and what a body is written in."""

from typing import Annotated, Any, Literal

from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import (
    CustomDecoder,
    CustomRecordExtractor,
    CustomRecordFilter,
    CustomSchemaNormalization,
)

_Retriever = Annotated[dict[str, Any], names_of_types("SimpleRetriever", "CustomRetriever")]


class JsonDecoder(Component, frozen=True):
    pass


class JsonItemsDecoder(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned; as are the decoders below."""

    items_path: str
    encoding: str = "utf-8"


class JsonlDecoder(Component, frozen=True):
    pass


class CsvDecoder(Component, frozen=True):
    encoding: str | None = "utf-8"
    delimiter: str | None = ","
    set_values_to_none: tuple[str, ...] | None = None


class XmlDecoder(Component, frozen=True):
    pass


class IterableDecoder(Component, frozen=True):
    """Each line of text is a record."""


class GzipDecoder(Component, frozen=True):
    decoder: "CsvDecoder | GzipDecoder | JsonDecoder | JsonItemsDecoder | JsonlDecoder"


class ZipfileDecoder(Component, frozen=True):
    decoder: CsvDecoder | GzipDecoder | JsonDecoder | JsonItemsDecoder | JsonlDecoder


Decoder = (
    JsonDecoder
    | JsonItemsDecoder
    | JsonlDecoder
    | CsvDecoder
    | XmlDecoder
    | IterableDecoder
    | GzipDecoder
    | ZipfileDecoder
    | CustomDecoder
)


class ParentFieldPath(Component, frozen=True):
    parent_path: tuple[str, ...]
    record_path: tuple[str, ...]


class RecordExpander(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    expand_records_from_field: tuple[str, ...]
    remain_original_record: bool = False
    parent_fields: tuple[ParentFieldPath, ...] | None = None
    merge_parent: bool = False
    on_no_records: Literal["skip", "emit_parent"] = "skip"
    truncation_indicator_path: tuple[str, ...] | None = None
    truncated_list_retriever: _Retriever | None = None


class DpathExtractor(Component, frozen=True):
    """field_path: of templates and wildcards, from the outermost member of the answer on."""

    field_path: tuple[str, ...]
    record_expander: RecordExpander | None = None


class CombinedExtractor(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    extractors: "tuple[DpathExtractor | CustomRecordExtractor | CombinedExtractor, ...]"
    mode: Literal["union", "first_match"] = "union"
    skip_empty_records: bool = False


class ResponseToFileExtractor(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    preserve_na_values: bool = False


class RecordFilter(Component, frozen=True):
    """condition: a template that sees the record; those that it does not hold for are left out."""

    condition: str = ""


class RecordSelector(Component, frozen=True):
    """transform_before_filtering: false without, unless records are held against the cursor here.

    schema_normalization: `Default` makes values those that the stream's schema names, where they can be.
    """

    extractor: DpathExtractor | CustomRecordExtractor | CombinedExtractor
    record_filter: RecordFilter | CustomRecordFilter | None = None
    schema_normalization: Literal["Default", "None"] | CustomSchemaNormalization | None = None
    transform_before_filtering: bool | None = None
