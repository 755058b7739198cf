"""What is done to each record: fields put in, taken out, renamed."""

from typing import Annotated, Literal

import msgspec

from file_cdk.declarative.components.component import Component
from file_cdk.declarative.components.custom import CustomTransformation

Path = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class AddedFieldDefinition(Component, frozen=True):
    """path: from the outermost member on. value: a template. value_type: what its text is read as; any literal without."""

    path: Path
    value: str
    value_type: Literal["string", "number", "integer", "boolean"] | None = None


class AddFields(Component, frozen=True):
    """condition: a template, for each field; without, all are put in."""

    fields: tuple[AddedFieldDefinition, ...]
    condition: str = ""


class RemoveFields(Component, frozen=True):
    """field_pointers: paths, with wildcards."""

    field_pointers: tuple[Path, ...]
    condition: str = ""


class KeysToLower(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned; as are those below."""


class KeysToSnakeCase(Component, frozen=True):
    pass


class KeysReplace(Component, frozen=True):
    old: str
    new: str


class FlattenFields(Component, frozen=True):
    flatten_lists: bool = True


class KeyTransformation(Component, frozen=True):
    prefix: str | None = None
    suffix: str | None = None


class DpathFlattenFields(Component, frozen=True):
    field_path: tuple[str, ...]
    delete_origin_value: bool = False
    replace_record: bool = False
    key_transformation: KeyTransformation | None = None


Transformation = (
    AddFields
    | RemoveFields
    | KeysToLower
    | KeysToSnakeCase
    | KeysReplace
    | FlattenFields
    | DpathFlattenFields
    | CustomTransformation
)
