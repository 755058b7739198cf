"""What plain Avro values mean, one by one: the values of records as JSON, and of tables as Python values for Arrow.

Values are as a decoder gives them for an types.PlainSchema. This is the reference; columns.py does the same with
whole columns.
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from file_cdk.core.instants import date_text, duration_text, instant_text
from file_cdk.formats.avro.schema import (
    MAX_TABLE_DIGITS,
    Array,
    Enum,
    Map,
    Node,
    Record,
    Recursion,
    Scalar,
    Union,
    optional,
)
from file_cdk.formats.avro.types import union_type

ValueStep = Callable[[Any], Any]
"""From a value that is not None."""


class BadValueError(Exception):
    """A value that its logical type does not have. Its text says why and has no values: records are rejected with it."""


class InexactError(Exception):
    """A value that the type asked for would change."""


_SECONDS_PER_DAY = 86_400
_UNITS = {"millis": "ms", "micros": "us", "nanos": "ns"}
_DIGITS = {"millis": 3, "micros": 6, "nanos": 9}
_DATE_CHARACTERS = len("1970-01-01T")
_EXACT = Context(prec=MAX_TABLE_DIGITS)
_MAX_DECIMAL_BYTES = 1024


def text_of(value: bytes) -> str:
    """Bytes that are not UTF-8 are written \\xNN."""
    return value.decode("utf-8", "backslashreplace")


def _time_text(logical: str) -> ValueStep:
    unit = logical.removeprefix("time-")
    per_day = _SECONDS_PER_DAY * 10 ** _DIGITS[unit]
    name = _UNITS[unit]

    def convert(value: int) -> str:
        if not 0 <= value < per_day:
            raise BadValueError("a time is not within a day")
        return instant_text(value, name)[_DATE_CHARACTERS:]

    return convert


def _timestamp_text(logical: str, *, own_precision: bool) -> ValueStep:
    """own_precision: as many digits of a second as the unit has, be they zeros."""
    unit = logical.rpartition("-")[2]
    zone = "" if logical.startswith("local") else "+00:00"
    name, digits = _UNITS[unit], _DIGITS[unit]
    if not own_precision or unit == "nanos":
        return lambda value: instant_text(value, name) + zone

    def convert(value: int) -> str:
        seconds, rest = divmod(value, 10**digits)
        return f"{instant_text(seconds, 's')}.{rest:0{digits}}{zone}"

    return convert


def uuid_text(value: str) -> str:
    """The value, if it is a UUID in lower case and with dashes."""
    try:
        return str(UUID(value))
    except ValueError:
        return value


def _enum_text(symbols: tuple[str, ...]) -> ValueStep:
    known = dict(enumerate(symbols))

    def convert(value: int) -> str:
        try:
            return known[value]
        except KeyError:
            raise BadValueError("an enum has no symbol of that number") from None

    return convert


def _decimal_text(node: Scalar) -> ValueStep:
    def convert(value: bytes) -> str:
        if len(value) > _MAX_DECIMAL_BYTES:  # Python takes long for integers of many thousands of digits
            raise BadValueError("a decimal has too many digits")
        number = int.from_bytes(value, "big", signed=True)
        return str(Decimal((number < 0, tuple(map(int, str(abs(number)))), -node.scale)))

    return convert


def _scalar_text(node: Scalar, *, top: bool, double_as_string: bool) -> ValueStep | None:
    match node.logical:
        case "":
            if node.kind in ("bytes", "fixed"):
                return text_of
            return repr if node.kind == "double" and double_as_string else None
        case "date":
            return date_text
        case "time-millis" | "time-micros":
            return _time_text(node.logical)
        case "decimal":
            return _decimal_text(node)
        case "duration":
            return duration_text
        case "uuid":
            return uuid_text if node.kind == "string" else lambda value: str(UUID(bytes=value))
    return _timestamp_text(node.logical, own_precision=top)


class Converters:
    """What is done to the plain values of one schema, put together once.

    Converters may change the value they are given; None stands for one that does nothing. They raise BadValueError.
    """

    def __init__(self, schema: Record, *, double_as_string: bool = False) -> None:
        self._double_as_string = double_as_string
        self._records: dict[str, ValueStep | None] = {}
        self.record: ValueStep | None = self._of_record(schema, top=True)
        """A record to one that a JSON encoder writes as it should be. Timestamps of its own columns, if these are never
        null, print as many digits as their unit has; all others as many as they need."""

    def _json(self, node: Node, *, top: bool = False) -> ValueStep | None:
        match node:
            case Scalar():
                return _scalar_text(node, top=top, double_as_string=self._double_as_string)
            case Enum():
                return _enum_text(node.symbols)
            case Record():
                return self._of_record(node)
            case Array():
                return _each(self._json(node.items), optional(node.items)[1])
            case Map():
                return _object(self._json(node.values))
            case Union() if len(node.choices) < 2:
                return self._json(optional(node)[0])
            case Union():
                return _branch({str(number): self._json(branch) for number, branch in enumerate(node.branches)})
            case Recursion():
                return self._again(node.name)

    def _of_record(self, node: Record, *, top: bool = False) -> ValueStep | None:
        convert = _members({name: self._json(child, top=top) for name, child in node.fields})
        self._records[node.name] = convert
        return convert

    def _again(self, name: str) -> ValueStep:
        records = self._records  # the record is not in it yet, being made from this

        def convert(value: Any) -> Any:
            known = records[name]
            return value if known is None else known(value)

        return convert

    def table(self, node: Node, *, exact: bool = True) -> ValueStep | None:
        """A plain value to what pyarrow takes for the plain type of `tabular(node)`.

        exact: as in types.union_type; if False, InexactError is raised besides.
        """
        match node:
            case Scalar(logical="decimal"):
                return _decimal_text(node) if node.precision > MAX_TABLE_DIGITS else _to_decimal(node)
            case Scalar(logical="time-millis" | "time-micros"):
                return _checked(_time_text(node.logical))
            case Scalar(kind="int"):
                return _int32
            case Enum():
                return _checked(_enum_text(node.symbols))
            case Record():
                return _members({name: self.table(child) for name, child in node.fields})
            case Array():
                return _each(self.table(node.items), optional(node.items)[1])
            case Map():
                return _pairs(self.table(node.values))
            case Union() if len(node.choices) < 2:
                return self.table(optional(node)[0])
            case Union():
                return self._to_one_type(node, exact=exact)
            case Recursion():
                return _json_text(self._json(node))
        return None

    def _to_one_type(self, node: Union, *, exact: bool) -> ValueStep:
        match union_type(node, exact=exact).kind:
            case "long":
                return _unwrapped
            case "double":
                return _to_double
        return _json_text(self._json(node))


def _members(steps: Mapping[str, ValueStep | None]) -> ValueStep | None:
    needed = [(name, step) for name, step in steps.items() if step]

    def convert(record: dict[str, Any]) -> dict[str, Any]:
        for name, step in needed:
            if (value := record[name]) is not None:
                record[name] = step(value)
        return record

    return convert if needed else None


def _each(step: ValueStep | None, nullable: bool) -> ValueStep | None:
    if step is None:
        return None
    if nullable:
        return lambda values: [None if value is None else step(value) for value in values]
    return lambda values: list(map(step, values))


def _object(step: ValueStep | None) -> ValueStep:
    pairs = _pairs(step)
    return lambda found: dict(pairs(found))


def _pairs(step: ValueStep | None) -> ValueStep:
    """Keys and values of a map, from the records that PlainSchema makes of them."""

    def convert(found: list[dict[str, Any]]) -> list[tuple[str, Any]]:
        if step is None:
            pairs = [(pair["k"], pair["v"]) for pair in found]
        else:
            pairs = [(pair["k"], None if pair["v"] is None else step(pair["v"])) for pair in found]
        if len({key for key, _ in pairs}) < len(pairs):
            raise BadValueError("a map has a key twice")
        return pairs

    return convert


def _branch(steps: Mapping[str, ValueStep | None]) -> ValueStep:
    def convert(wrapped: dict[str, Any]) -> Any:
        ((number, value),) = wrapped.items()
        step = steps[number]
        return value if value is None or step is None else step(value)

    return convert


def _checked(step: ValueStep) -> ValueStep:
    """The value itself, if `step` takes it."""

    def convert(value: Any) -> Any:
        step(value)
        return value

    return convert


def _int32(value: int) -> int:
    if not -(1 << 31) <= value < 1 << 31:
        raise BadValueError("an int has more than 32 bits")
    return value


def _unwrapped(wrapped: dict[str, Any]) -> Any:
    (value,) = wrapped.values()
    return value


def _to_double(wrapped: dict[str, Any]) -> float:
    value = _unwrapped(wrapped)
    if isinstance(value, int) and int(float(value)) != value:
        raise InexactError
    return float(value)


def _to_decimal(node: Scalar) -> ValueStep:
    def convert(value: bytes) -> Decimal:
        number = int.from_bytes(value, "big", signed=True)
        if abs(number) >= 10**node.precision:
            raise BadValueError("a decimal has too many digits")
        return Decimal(number).scaleb(-node.scale, _EXACT)

    return convert


def _json_text(convert: ValueStep | None) -> ValueStep:
    """Text as it is, anything else as JSON."""

    def text(value: Any) -> str:
        if convert is not None:
            value = convert(value)
        if isinstance(value, float) and not isfinite(value):
            return str(value)  # at the top; below it is null, as JSON has no other way
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    return text
