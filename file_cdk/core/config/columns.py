"""What becomes of a stream's columns on their way into a table, and what a table does with columns that it does not know."""

import re
from collections.abc import Collection
from typing import Any, Literal

from file_cdk.core.config.fields import Field, field_validator, model_validator
from file_cdk.core.config.model import ConfigModel
from file_cdk.core.system.variables import SALT_VARIABLE

CAST_TYPES = {
    **dict.fromkeys(("integer", "int", "bigint"), "integer"),
    **dict.fromkeys(("float", "double", "number"), "float"),
    **dict.fromkeys(("text", "string", "varchar"), "text"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **{each: each for each in ("date", "time", "timestamp", "timestamptz", "json")},
}
"""The types that a column can be cast to, besides `decimal(p,s)`, as a person may call them -> as they are called here."""

_DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*([0-9]{1,2})\s*(?:,\s*([0-9]{1,2})\s*)?\)")
_MAX_DIGITS = 38
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def cast_type(text: str) -> str:
    """The name of a type as it is called here, `decimal(12,2)` for one. Raises ValueError."""
    name = text.strip().lower()
    if (known := CAST_TYPES.get(name)) is not None:
        return known
    if (found := _DECIMAL.fullmatch(name)) is not None:
        digits, scale = int(found[1]), int(found[2] or 0)
        if 0 < digits <= _MAX_DIGITS and scale <= digits:
            return f"decimal({digits},{scale})"
        raise ValueError(f"a decimal has 1 to {_MAX_DIGITS} digits, and no more after the point than in all")
    names = ", ".join(dict.fromkeys(CAST_TYPES.values()))
    raise ValueError(f"{text!r} is none of the types {names} and decimal(p,s)")


class ColumnRules(ConfigModel):
    """Rules for the columns of a stream's files, by the names that they have there, in any case of letters. They are applied in
    one order: select and drop, cast, hash, rename."""

    select: list[str] | None = Field(
        default=None, title="Select", description="The only columns that are loaded; all by default.", min_length=1
    )
    drop: list[str] = Field(default_factory=list, title="Drop", description="Columns that are not loaded.")
    cast: dict[str, str] = Field(
        default_factory=dict, title="Cast", description="Columns whose values are to be of a type: integer, date …"
    )
    hash: list[str] = Field(
        default_factory=list, title="Hash", description="Columns that are replaced by the SHA-256 of salt and value."
    )
    salt: str | None = Field(
        default=None,
        title="Salt",
        description=f"Where the salt is: ${{NAME}} of an environment variable; ${{{SALT_VARIABLE}}} by default.",
        repr=False,
    )
    rename: dict[str, str] = Field(
        default_factory=dict, title="Rename", description="Columns that get another name in the table."
    )
    optional: list[str] = Field(
        default_factory=list, title="Optional", description="Columns of rules that no file needs to have."
    )

    @field_validator("cast")
    @classmethod
    def _cast_to_known_types(cls, value: dict[str, str]) -> dict[str, str]:
        return {column: cast_type(kind) for column, kind in value.items()}

    @field_validator("salt")
    @classmethod
    def _salt_is_a_variable(cls, value: str | None) -> str | None:
        if value is not None and _VARIABLE.fullmatch(value) is None:
            raise ValueError("must be ${NAME}, of an environment variable: a salt itself is written nowhere")
        return value

    @model_validator(mode="after")
    def _rules_agree(self) -> None:
        lists = {
            "select": self.select or (),
            "drop": self.drop,
            "cast": self.cast,
            "hash": self.hash,
            "rename": self.rename,
        }
        for rule, columns in lists.items():
            if (twice := _twice(columns)) is not None:
                raise ValueError(f"{rule} names column {twice!r} twice (names are compared in any case of letters)")
        dropped, selected = _folded(self.drop), _folded(self.select or ())
        for rule, columns in lists.items():
            for column in columns if rule != "drop" else ():
                if column.casefold() in dropped:
                    raise ValueError(f"column {column!r} is to be dropped, and {rule} names it too")
                if self.select is not None and column.casefold() not in selected:
                    raise ValueError(f"{rule} names column {column!r}, which select leaves out")
        if not all(self.rename.values()):
            raise ValueError("rename gives a column an empty name")
        if (twice := _twice(self.rename.values())) is not None:
            raise ValueError(f"rename gives two columns the name {twice!r}")
        unruled = {column for column in self.optional if column.casefold() not in _folded(self.named)}
        if unruled:
            raise ValueError(f"optional names column {min(unruled)!r}, for which there is no rule")

    @property
    def named(self) -> list[str]:
        """All columns for which there is a rule, each once."""
        columns = (*(self.select or ()), *self.drop, *self.cast, *self.hash, *self.rename)
        return list({column.casefold(): column for column in columns}.values())

    @property
    def required(self) -> list[str]:
        optional = _folded(self.optional)
        return [column for column in self.named if column.casefold() not in optional]

    @property
    def salt_variable(self) -> str:
        found = None if self.salt is None else _VARIABLE.fullmatch(self.salt)
        return SALT_VARIABLE if found is None else found[1]

    @property
    def hides_values(self) -> bool:
        """Whether there are columns of which the table is not to have the values: then rejected records are kept without
        their text, which has them."""
        return bool(self.hash or self.drop or self.select is not None)


def _folded(columns: Collection[str]) -> set[str]:
    return {column.casefold() for column in columns}


def _twice(columns: Collection[str]) -> str | None:
    seen: set[str] = set()
    for column in columns:
        if column.casefold() in seen:
            return column
        seen.add(column.casefold())
    return None


Contract = Literal["evolve", "freeze", "discard"]


class SchemaContract(ConfigModel):
    """What becomes of a file that has a column which its table has not, or values that the table's type does not hold.

    evolve: the table grows. freeze: the file fails as a whole. discard: the column's values, or the records, are left out.
    """

    columns: Contract = Field(default="evolve", title="Columns", description="Of columns that the table has not.")
    types: Contract = Field(
        default="evolve", title="Types", description="Of values that a column's type does not hold."
    )
    by_column: dict[str, Contract] = Field(
        default_factory=dict,
        title="By Column",
        description="The same for single columns, as they are called in the table.",
    )

    def for_new(self, column: str) -> Contract:
        return self._own(column) or self.columns

    def for_type(self, column: str) -> Contract:
        return self._own(column) or self.types

    def _own(self, column: str) -> Contract | None:
        found = self.by_column.get(column)
        if found is None and self.by_column:
            folded = column.casefold()
            return next((each for name, each in self.by_column.items() if name.casefold() == folded), None)
        return found

    @property
    def evolves(self) -> bool:
        """Whether it asks for nothing but what is done without one."""
        return {self.columns, self.types, *self.by_column.values()} == {"evolve"}


def contract_of(value: Any) -> Any:
    """What `schema_contract` holds, in full: one word may stand for both kinds."""
    return {"columns": value, "types": value} if isinstance(value, str) else value
