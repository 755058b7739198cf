"""What a field makes of a value, and what it says of one that it does not take: texts that users have always had."""

import math
from enum import StrEnum
from typing import Any, Literal

import pytest

from file_cdk import ConfigError, ConfigModel, Field
from file_cdk.core.config import parse_config


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Left(ConfigModel):
    side: Literal["left"] = "left"
    size: int = 1


class Right(ConfigModel):
    side: Literal["right"] = "right"


class Everything(ConfigModel):
    text: str = ""
    word: str = Field(default="ab", min_length=2)
    truth: bool = False
    whole: int = 0
    few: int = Field(default=3, ge=1, le=5)
    more: int | None = Field(default=None, gt=0)
    share: float = 0.5
    choice: Literal["a", "b"] = "a"
    only: Literal["x"] = "x"
    color: Color = Color.RED
    names: list[str] = Field(default_factory=list)
    some: list[str] | None = Field(default=None, min_length=2)
    marks: frozenset[str] = frozenset()
    headers: dict[str, int] = Field(default_factory=dict)
    anything: Any = None
    key: str | list[str] | None = None
    left: Left = Field(default_factory=Left)
    side: Left | Right | None = None
    sides: list[Left | Right] = Field(default_factory=list)


TAKEN: list[tuple[str, Any, Any]] = [
    ("text", "", ""),
    *[("truth", value, True) for value in (True, 1, 1.0, "1", "on", "T", "True", "y", "YES")],
    *[("truth", value, False) for value in (False, 0, 0.0, "0", "OFF", "f", "false", "n", "No")],
    *[("whole", value, 12) for value in (12, 12.0, "12", " 12 ", "+12", "12.0", "012", "1_2")],
    ("whole", True, 1),
    ("whole", "-3", -3),
    ("few", "5", 5),
    ("more", None, None),
    ("share", 1, 1.0),
    ("share", "1.5", 1.5),
    ("choice", "b", "b"),
    ("color", "blue", Color.BLUE),
    ("color", Color.BLUE, Color.BLUE),
    *[("names", value, ["a"]) for value in (["a"], ("a",), {"a"}, frozenset("a"))],
    ("some", None, None),
    ("marks", ["b", "a", "b"], frozenset("ab")),
    ("headers", {"a": "1"}, {"a": 1}),
    ("anything", {"a": [1]}, {"a": [1]}),
    ("key", "a", "a"),
    ("key", ["a", "b"], ["a", "b"]),
    ("key", None, None),
    ("left", {"size": "2", "other": 1}, Left(size=2)),
    ("left", Left(size=2), Left(size=2)),
    ("side", {"side": "right"}, Right()),
    ("side", Right(), Right()),
    ("sides", [{"side": "left"}, {"side": "right"}], [Left(), Right()]),
]


@pytest.mark.parametrize(("name", "value", "held"), TAKEN)
def test_what_is_taken(name: str, value: object, held: object) -> None:
    found = getattr(parse_config(Everything, {name: value}), name)
    assert (found, type(found)) == (held, type(held))


def each(name: str, values: tuple[Any, ...], fault: str) -> list[tuple[str, Any, str | None]]:
    return [(name, value, f"{name}: {fault}") for value in values]


REFUSED: list[tuple[str, Any, str | None]] = [
    *each("text", (None, 1, ["a"], {}), "must be text"),
    ("word", "a", "word: must have at least 2 characters"),
    *each("truth", (None, [], 0.5, math.nan), "must be true or false"),
    *each("truth", (2, 3.0, "", "maybe"), "must be true or false"),
    *each("whole", (None, [], {}), "must be a whole number"),
    *each(
        "whole",
        ("", "x", "1.5", "5.", ".0", "1e3", "1 2", "٣", "0x10"),
        "must be a whole number",
    ),
    ("whole", 2.5, "whole: must be a whole number, without a fraction"),
    *each("whole", (math.inf, math.nan), "must be a finite number"),
    ("few", 0, "few: must be 1 or more"),
    ("few", 6, "few: must be 5 or less"),
    ("more", 0, "more: must be more than 0"),
    ("share", [], "share: must be a number"),
    ("share", "half", "share: must be a number"),
    *each("choice", (None, "c", ["a"], 1), "must be 'a' or 'b'"),
    ("only", "y", "only: must be 'x'"),
    ("color", "green", "color: must be 'red' or 'blue'"),
    *each("names", (None, "a", {"a": 1}, 1), "must be a list"),
    (
        "names",
        [1, "a", None],
        "names[0]: must be text; names[2]: must be text",
    ),
    ("some", ["a"], "some: must have at least 2 items, not 1"),
    ("marks", "a", "marks: must be a list"),
    ("headers", [], "headers: must be a mapping"),
    ("headers", {"a": "x", 1: 1}, None),
    (
        "key",
        [1],
        "key[0]: must be text",
    ),
    ("key", 1, "key: must be text or a list of text"),
    ("left", 1, "left: must be a mapping"),
    ("left", {"size": []}, "left.size: must be a whole number"),
    ("side", 1, "side: must be a mapping with the key 'side'"),
    ("side", {}, "side: must have the key 'side', which is 'left', 'right'"),
    (
        "side",
        {"side": "up"},
        "side: side 'up' is none of 'left', 'right'",
    ),
    ("sides", [{"side": "left", "size": "x"}], None),
]


@pytest.mark.parametrize(("name", "value", "fault"), REFUSED)
def test_what_is_refused(name: str, value: object, fault: str | None) -> None:
    unparsed = "must be a whole number"
    if fault is None:
        fault = {
            "headers": f"headers.a: {unparsed}; headers[1].[key]: must be text",
            "sides": f"sides[0].left.size: {unparsed}",
        }[name]
    with pytest.raises(ConfigError) as caught:
        parse_config(Everything, {name: value})
    assert str(caught.value) == f"invalid configuration: {fault}"
