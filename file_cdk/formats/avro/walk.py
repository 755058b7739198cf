"""Steps over Avro records without decoding them, to judge those that a decoder must not be given unseen.

fastavro's compiled code follows a record into itself until the C stack ends, and makes lists of as many values as the data
claims, even if a value takes no bytes. Both need a schema that allows it; only files of such a schema are walked.
"""

from typing import TypeAlias

from file_cdk.formats.avro.container import TruncatedError, varint_at
from file_cdk.formats.avro.schema import Array, Enum, Map, Node, Record, Recursion, Scalar, Union, smallest_bytes, walk

MAX_VALUE_DEPTH = 100
MAX_EMPTY_ITEMS = 100_000
"""Maximum number of values in the arrays of a record if they take no bytes."""

_Records: TypeAlias = dict[str, Record]


class _WalkError(Exception):
    """The bytes are no record, or one that is nested too deeply."""


def needs_walk(schema: Record) -> bool:
    """Whether files of the schema may have such records."""
    return any(
        isinstance(node, Recursion) or (isinstance(node, Array) and smallest_bytes(node.items) == 0)
        for node in walk(schema)
    )


def walkable(data: bytes, count: int, schema: Record) -> tuple[int, str | None]:
    """How many of the `count` records that `data` begins with are fit for a decoder, up to the first that is not, and why."""
    walker = _Walker(data, {node.name: node for node in walk(schema) if isinstance(node, Record)})
    for done in range(count):
        walker.empty_items = 0
        try:
            walker.step(schema, 0)
        except _WalkError as exc:
            return done, str(exc)
    return count, None


class _Walker:
    def __init__(self, data: bytes, records: _Records) -> None:
        self.data = data
        self.at = 0
        self.records = records
        self.empty_items = 0

    def step(self, node: Node, depth: int) -> None:
        if depth > MAX_VALUE_DEPTH:
            raise _WalkError(f"a record is nested more than {MAX_VALUE_DEPTH} deep")
        match node:
            case Scalar(kind="bytes" | "string"):
                self.skip(self.long())
            case Scalar(kind="int" | "long") | Enum():
                self.long()
            case Scalar():
                self.skip(smallest_bytes(node))
            case Record():
                for _, child in node.fields:
                    self.step(child, depth + 1)
            case Recursion():
                self.step(self.records[node.name], depth)
            case Union():
                branch = self.long()
                if not 0 <= branch < len(node.branches):
                    raise _WalkError("a union has no branch of that number")
                self.step(node.branches[branch], depth + 1)
            case Array():
                self.items(node.items, depth, with_keys=False)
            case Map():
                self.items(node.values, depth, with_keys=True)

    def items(self, node: Node, depth: int, *, with_keys: bool) -> None:
        while count := self.long():
            if count < 0:
                count = -count
                self.long()
            for _ in range(count):
                before = self.at
                if with_keys:
                    self.skip(self.long())
                self.step(node, depth + 1)
                if self.at == before:
                    self.empty_items += 1
                    if self.empty_items > MAX_EMPTY_ITEMS:
                        raise _WalkError(f"a record has more than {MAX_EMPTY_ITEMS} empty values")

    def skip(self, size: int) -> None:
        if not 0 <= size <= len(self.data) - self.at:
            raise _WalkError("a record does not end within its block")
        self.at += size

    def long(self) -> int:
        try:
            value, self.at = varint_at(self.data, self.at)
        except (TruncatedError, ValueError):
            raise _WalkError("a number in a record is damaged") from None
        return value
