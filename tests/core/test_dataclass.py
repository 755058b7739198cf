"""What `core.dataclass` makes, next to what the standard library makes of the same class."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from file_cdk.core import dataclass as ours

Decorator = Callable[..., Callable[[type], Any]]


def made_by(decorator: Decorator) -> dict[str, Any]:
    """The same classes, by one decorator."""

    @decorator(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        secret: str = dataclasses.field(default="s", repr=False)
        seen: list[int] = dataclasses.field(default_factory=list, compare=False)
        shared: ClassVar[int] = 5

    @decorator(frozen=True, slots=True)
    class Made:
        given: int
        twice: int = dataclasses.field(init=False)
        fixed: str = dataclasses.field(default="f", init=False)
        own: dict[str, int] = dataclasses.field(default_factory=dict, init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.given)

    @decorator(frozen=True, slots=True)
    class Empty:
        pass

    @decorator(frozen=True, slots=True)
    class Single:
        value: float

    @decorator(slots=True)
    class Counter:
        count: int = 0
        names: set[str] = dataclasses.field(default_factory=set)

    @decorator(slots=True, eq=False)
    class Known:
        by: int

    @decorator(slots=True, kw_only=True)
    class Named:
        a: int = 1
        b: int

    @decorator(frozen=True, slots=True)
    class Spelled:
        text: str

        def __repr__(self) -> str:
            return "spelled"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Spelled) and other.text.lower() == self.text.lower()

        def __hash__(self) -> int:
            return hash(self.text.lower())

    @decorator(frozen=True, slots=True)
    class Deeper(Point):
        z: int = 3

    @decorator(frozen=True, slots=True)
    class Own:
        a: int

        def __init__(self, text: str) -> None:
            object.__setattr__(self, "a", int(text))

    return {cls.__name__: cls for cls in (Point, Made, Empty, Single, Counter, Known, Named, Spelled, Deeper, Own)}


THEIRS, OURS = made_by(dataclasses.dataclass), made_by(ours.dataclass)

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Point", (1,), {}),
    ("Point", (1, 3), {"seen": [4]}),
    ("Point", (), {"y": 3, "x": 1}),
    ("Point", (), {}),
    ("Point", (1, 2, "t", [], 5), {}),
    ("Point", (1,), {"shared": 1}),
    ("Made", (4,), {}),
    ("Made", (4, 8), {}),
    ("Empty", (), {}),
    ("Empty", (1,), {}),
    ("Single", (float("nan"),), {}),
    ("Counter", (), {}),
    ("Counter", (2, {"a"}), {}),
    ("Known", (1,), {}),
    ("Named", (), {"b": 2}),
    ("Named", (1,), {"b": 2}),
    ("Spelled", ("A",), {}),
    ("Deeper", (1,), {"z": 9}),
    ("Own", ("7",), {}),
]


def told(classes: dict[str, Any], call: tuple[str, tuple[Any, ...], dict[str, Any]]) -> list[object]:
    """Whatever can be told of an instance, or the type of the error."""
    name, positional, named = call
    cls = classes[name]
    try:
        made = cls(*positional, **named)
    except TypeError:
        return [TypeError]
    values = [getattr(made, field.name) for field in dataclasses.fields(cls)]
    same = cls(*positional, **named)
    told = [repr(made), values, dataclasses.asdict(made), made == same, made != same, made == 1, cls.__hash__ is None]
    told += [cls.__match_args__, cls.__slots__, hasattr(made, "__dict__"), dataclasses.is_dataclass(cls)]
    if cls.__hash__ is not None and name not in ("Known", "Made"):
        told += [hash(made) == hash(same), hash(made)]
    told += [[getattr(copy.copy(made), field.name) for field in dataclasses.fields(cls)]]
    told += [[getattr(copy.deepcopy(made), field.name) for field in dataclasses.fields(cls)]]
    return told


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_makes_what_the_library_makes(call: tuple[str, tuple[Any, ...], dict[str, Any]]) -> None:
    assert told(OURS, call) == told(THEIRS, call)


@pytest.mark.parametrize("name", OURS)
def test_has_the_signature_of_the_librarys(name: str) -> None:
    parameters = [
        [
            (each.name, each.kind, each.default is each.empty)
            for each in inspect.signature(classes[name]).parameters.values()
        ]
        for classes in (OURS, THEIRS)
    ]
    assert parameters[0] == parameters[1]


def test_nothing_of_a_frozen_one_changes() -> None:
    classes = OURS
    point: Any = classes["Point"](1)
    for name in ("x", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(point, name, 2)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(point, name)
    assert dataclasses.replace(point, y=9) == classes["Point"](1, 9)
    assert classes["Point"](1) != classes["Deeper"](1)
    assert classes["Point"](1).seen is not classes["Point"](1).seen


@ours.dataclass(frozen=True, slots=True)
class Sent:
    name: str
    parts: tuple["Sent", ...] = ()
    unset: int = dataclasses.field(default=0, compare=False, repr=False)


@ours.dataclass(slots=True)
class Loop:
    other: "Loop | None" = None


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_survives_a_pickle(protocol: int) -> None:
    sent = Sent("a", (Sent("b"), Sent("c", unset=4)))
    got: Any = pickle.loads(pickle.dumps(sent, protocol))
    assert got == sent
    assert got.parts[1].unset == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.name = "x"


def test_what_holds_itself_can_be_shown() -> None:
    loop = Loop()
    loop.other = loop
    assert repr(loop) == "Loop(other=...)"


@pytest.mark.parametrize("options", [{"slots": False}, {"slots": True, "frozen": True, "kw_only": True}], ids=str)
def test_refuses_what_it_does_not_make(options: dict[str, bool]) -> None:
    decorator: Decorator = ours.dataclass
    with pytest.raises(TypeError):
        decorator(**options)
