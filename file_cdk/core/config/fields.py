"""How a configuration's class says more of its fields than their types: texts, limits, and methods that look at values."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from file_cdk.core.config.values import Bounds

_Method = TypeVar("_Method")
VALIDATES = "_file_cdk_validates"
"""Attribute of a method that validates: of what, when, and of which fields."""


class FieldSpec:
    """What is said of a field beside its type. A field without a default is required."""

    def __init__(self, default: Any, default_factory: Callable[[], Any] | None, **told: Any) -> None:
        self.default, self.default_factory = default, default_factory
        self.title: str | None = told.get("title")
        self.description: str | None = told.get("description")
        self.examples: list[Any] | None = told.get("examples")
        self.shown: bool = told.get("repr", True)
        self.bounds: Bounds = told.get("bounds", Bounds())
        self.json_schema_extra: Mapping[str, Any] = told.get("json_schema_extra") or {}

    @property
    def required(self) -> bool:
        return self.default is ... and self.default_factory is None

    def default_value(self) -> Any:
        return self.default if self.default_factory is None else self.default_factory()


def Field(  # noqa: N802 - as users of pydantic know it
    default: Any = ...,
    *,
    default_factory: Callable[[], Any] | None = None,
    title: str | None = None,
    description: str | None = None,
    examples: list[Any] | None = None,
    repr: bool = True,
    min_length: int | None = None,
    ge: int | None = None,
    gt: int | None = None,
    le: int | None = None,
    json_schema_extra: Mapping[str, Any] | None = None,
) -> Any:
    """A field of a ConfigModel; without a default it is required. (Type checkers see a default only as `default=`.)

    title, description, examples: for the form that is drawn from `spec`. repr: whether representations show it.
    min_length, ge, gt, le: what the value is held against. json_schema_extra: what its JSON schema says besides.
    """
    bounds = Bounds(min_length, ge, gt, le)
    return FieldSpec(
        default,
        default_factory,
        **{"title": title, "description": description, "examples": examples, "repr": repr, "bounds": bounds},
        json_schema_extra=json_schema_extra,
    )


def secret_field(
    title: str, description: str, default: Any = ..., *, min_length: int | None = None, **schema: Any
) -> Any:
    """A field of a ConfigModel whose value is shown nowhere. schema: what its JSON schema says besides."""
    extra = {"airbyte_secret": True, **schema}
    return Field(
        default, title=title, description=description, repr=False, min_length=min_length, json_schema_extra=extra
    )


def field_validator(*names: str, mode: Literal["before", "after"] = "after") -> Callable[[_Method], _Method]:
    """A class method that gets the value of each field called so and returns what the field is to hold, or raises ValueError
    with what is wrong, without the value. mode: whether it sees the value before its type was looked at, or after."""
    return _marked("field", mode, names)


def model_validator(*, mode: Literal["before", "after"]) -> Callable[[_Method], _Method]:
    """Of a whole configuration. before: a class method that gets it as it was written, and returns it in the form that the class
    knows. after: a method that holds fields against one another. Both raise ValueError with what is wrong, without values."""
    return _marked("model", mode, ())


def _marked(subject: str, mode: str, names: tuple[str, ...]) -> Callable[[_Method], _Method]:
    def mark(method: Any) -> Any:
        if (subject, mode) != ("model", "after") and not isinstance(method, classmethod):
            method = classmethod(method)
        setattr(method, VALIDATES, (subject, mode, names))
        return method

    return mark
