"""What all configurations have in common: classes whose annotations say what a configuration may hold.

They look and behave as those of pydantic do, as far as configurations need it. That library takes 190 ms to import, in every
command and every worker process, which is more than all else that a start does; these classes take 2 ms.
"""

import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, dataclass_transform, get_args, get_origin
from typing import get_type_hints as type_hints

from file_cdk.core.config.fields import VALIDATES, Field, FieldSpec, secret_field
from file_cdk.core.config.values import (
    INVALID,
    Anything,
    Either,
    Fault,
    Items,
    Kind,
    Mappings,
    Number,
    OneOf,
    Optional,
    Place,
    Text,
    Truth,
)
from file_cdk.core.errors import ConfigError

_Model = TypeVar("_Model", bound="ConfigModel")


class ConfigField:
    """A field of a class: what it accepts, what is said of it, and the methods that look at it."""

    def __init__(self, kind: Kind, spec: FieldSpec) -> None:
        self.kind, self.spec = kind, spec
        self.before: list[str] = []
        self.after: list[str] = []


class Shape:
    """What a class's annotations and methods come to."""

    def __init__(self, model: "type[ConfigModel]") -> None:
        self.title, self.more_properties = model._title, model._more_properties
        self.fields: dict[str, ConfigField] = {}
        for name, hint in type_hints(model, include_extras=True).items():
            if get_origin(hint) is not ClassVar and hint is not ClassVar:
                where = f"{model.__name__}.{name}"
                spec = _declared(model, name, where)
                self.fields[name] = ConfigField(_kind(hint, spec, where), spec)
        self.before: list[str] = []
        self.after: list[str] = []
        for method, (subject, mode, names) in _validators(model):
            if subject == "model":
                (self.before if mode == "before" else self.after).append(method)
            for name in names:
                field = self.fields[name]
                (field.before if mode == "before" else field.after).append(method)


def _declared(model: "type[ConfigModel]", name: str, where: str) -> FieldSpec:
    if hasattr(ConfigModel, name):
        raise TypeError(f"{where}: a field cannot be called so, as all configurations have a method of this name")
    declared = getattr(model, name, ...)
    return declared if isinstance(declared, FieldSpec) else FieldSpec(declared, None)


def _validators(model: type) -> Iterator[tuple[str, tuple[str, str, tuple[str, ...]]]]:
    """Those of base classes first, each class's in the order in which it has them."""
    names = dict.fromkeys(name for base in reversed(model.__mro__) for name in vars(base))
    for name in names:
        if type(getattr(model, name, None)).__module__.partition(".")[0] == "pydantic":
            raise TypeError(
                f"{model.__name__}.{name}: what pydantic says of a field is not understood; "
                "import Field and the like from file_cdk"
            )
        marks = (getattr(vars(base)[name], VALIDATES, None) for base in model.__mro__ if name in vars(base))
        if (mark := next(marks)) is not None:
            yield name, mark


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, secret_field))
class ConfigModel:
    """A part of a configuration. Instances are valid, and do not change; keys that no field has are passed over.

    Class keywords. title: what a form calls it; the class's name by default. more_properties: gives what its JSON schema says
    of keys that are no fields.
    """

    _title: ClassVar[str] = ""
    _more_properties: ClassVar[Callable[[], Mapping[str, Any]] | None] = None
    _keeps_unknown: ClassVar[bool] = False
    _shape: "ClassVar[Shape]"

    def __init_subclass__(
        cls, *, title: str | None = None, more_properties: Callable[[], Mapping[str, Any]] | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        cls._title = title or cls.__name__
        if more_properties is not None:
            cls._more_properties = staticmethod(more_properties)

    def __init__(self, **values: Any) -> None:
        """Raises ConfigError that names all fields at fault and shows no value."""
        faults: list[Fault] = []
        self._fill(values, (), faults)
        _raise_for(faults)

    @classmethod
    def _read(cls, raw: Any, at: Place, faults: list[Fault]) -> Any:
        """An instance; INVALID after it noted what is wrong."""
        if isinstance(raw, cls):
            return raw
        made = object.__new__(cls)
        return made if made._fill(raw, at, faults) else INVALID

    def _fill(self, raw: Any, at: Place, faults: list[Fault]) -> bool:
        shape = shape_of(type(self))
        try:
            for name in reversed(shape.before):
                raw = getattr(self, name)(raw)
        except ValueError as exc:
            faults.append(Fault(at, str(exc)))
            return False
        if not isinstance(raw, Mapping):
            faults.append(Fault(at, "must be a mapping"))
            return False
        values = {name: self._value(name, field, raw, at, faults) for name, field in shape.fields.items()}
        if any(value is INVALID for value in values.values()):
            return False
        if self._keeps_unknown:
            values.update((key, value) for key, value in raw.items() if key not in values)
        vars(self).update(values)
        try:
            for name in shape.after:
                getattr(self, name)()
        except ValueError as exc:
            faults.append(Fault(at, str(exc)))
            return False
        return True

    def _value(self, name: str, field: ConfigField, raw: Mapping[str, Any], at: Place, faults: list[Fault]) -> Any:
        at = (*at, name)
        if name not in raw:
            if not field.spec.required:
                return field.spec.default_value()
            faults.append(Fault(at, "is missing"))
            return INVALID
        value = raw[name]
        try:
            for method in reversed(field.before):
                value = getattr(self, method)(value)
            value = field.kind.read(value, at, faults)
            if value is not INVALID:
                for method in field.after:
                    value = getattr(self, method)(value)
        except ValueError as exc:
            faults.append(Fault(at, str(exc)))
            return INVALID
        return value

    def replace(self, **changes: Any) -> Self:
        """The same but for some fields, whose new values are not looked at."""
        if unknown := changes.keys() - vars(self).keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        made = object.__new__(type(self))
        vars(made).update(vars(self) | changes)
        return made

    def as_dict(self) -> dict[str, Any]:
        """All fields, those that are configurations themselves as dictionaries, too."""
        return {name: _as_plain(value) for name, value in vars(self).items()}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} does not change: use replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} does not change")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        fields = shape_of(type(self)).fields
        shown = (
            f"{name}={value!r}" for name, value in vars(self).items() if name not in fields or fields[name].spec.shown
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def shape_of(model: type[ConfigModel]) -> Shape:
    """Made when it is first asked for: worker processes get configurations that are valid, and never ask."""
    if "_shape" not in vars(model):
        model._shape = Shape(model)
    return model._shape


def fields_of(model: type[ConfigModel]) -> Mapping[str, ConfigField]:
    """By name, those of base classes first."""
    return shape_of(model).fields


def read_model(model: type[_Model], raw: Mapping[str, Any]) -> _Model:
    """Raises ConfigError that names all fields at fault and shows no value."""
    faults: list[Fault] = []
    made: _Model = model._read(raw, (), faults)
    _raise_for(faults)
    return made


def _raise_for(faults: list[Fault]) -> None:
    if faults:
        told = "; ".join(f"{_dotted(fault.place)}: {fault.message}" for fault in faults)
        raise ConfigError(f"invalid configuration: {told}")


def _dotted(place: Place) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".") or "config"


def _as_plain(value: Any) -> Any:
    if isinstance(value, ConfigModel):
        return value.as_dict()
    return list(map(_as_plain, value)) if isinstance(value, list) else value


class Nested(Kind):
    """A configuration inside another one."""

    def __init__(self, model: type[ConfigModel]) -> None:
        self.model, self.noun = model, "a mapping"

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        return self.model._read(value, at, faults)


class Variants(Kind):
    """Configurations of which each has its name in the field `tag`.

    others: what takes all names but these, under the name `plugin` in places. absent: what is said where there is no name.
    """

    def __init__(
        self,
        tag: str,
        models: Mapping[str, type[ConfigModel]],
        *,
        others: type[ConfigModel] | None = None,
        absent: str | None = None,
    ) -> None:
        self.tag, self.models, self.others, self.absent = tag, models, others, absent

    def read(self, value: Any, at: Place, faults: list[Fault]) -> Any:
        if isinstance(value, (*self.models.values(), *filter(None, (self.others,)))):
            return value
        named = value.get(self.tag) if isinstance(value, Mapping) else None
        if isinstance(named, str) and (model := self.models.get(named)) is not None:
            return model._read(value, (*at, str(named)), faults)
        if isinstance(named, str) and self.others is not None:
            return self.others._read(value, (*at, "plugin"), faults)
        faults.append(Fault(at, self.absent or self._complaint(value, named)))
        return INVALID

    def _complaint(self, value: Any, named: Any) -> str:
        expected = ", ".join(map(repr, self.models))
        if not isinstance(value, Mapping):
            return f"must be a mapping with the key {self.tag!r}"
        if self.tag not in value:
            return f"must have the key {self.tag!r}, which is {expected}"
        return f"{self.tag} {named!r} is none of {expected}"


def _kind(hint: Any, spec: FieldSpec, where: str) -> Kind:
    """What an annotation accepts. Raises TypeError for one that means nothing here."""
    arguments, bounds = get_args(hint), spec.bounds
    match get_origin(hint) or hint:
        case type() as plain if issubclass(plain, ConfigModel):
            return Nested(plain)
        case type() as plain if issubclass(plain, Enum):
            return OneOf({each.value: each for each in plain}, plain.__name__, enum=True)
        case plain if plain is Any:
            return Anything()
        case plain if plain is str:
            return Text(bounds)
        case plain if plain is bool:
            return Truth()
        case plain if plain is int or plain is float:
            return Number(bounds, whole=plain is int)
        case plain if plain is Literal:
            return OneOf({each: each for each in arguments})
        case plain if plain is list or plain is frozenset:
            return Items(_kind(arguments[0], FieldSpec(..., None), where), bounds, holder=plain)
        case plain if plain is dict and arguments[0] is str:
            return Mappings(_kind(arguments[1], FieldSpec(..., None), where), bounds)
        case plain if plain is Annotated:
            told = [each for each in arguments[1:] if isinstance(each, Kind)]
            return told[0] if told else _kind(arguments[0], spec, where)
        case plain if plain is Union or plain is types.UnionType:
            return _union(arguments, spec, where)
    raise TypeError(
        f"{where}: a configuration cannot hold {hint!r}. It may have str, int, float, bool, Any, Literal, StrEnum, list, "
        "frozenset, dict[str, …], ConfigModel and unions of these; let a field_validator make more of a value"
    )


def _union(hints: tuple[Any, ...], spec: FieldSpec, where: str) -> Kind:
    some = [hint for hint in hints if hint is not type(None)]
    kinds = [_kind(hint, spec, where) for hint in some]
    models = [kind.model for kind in kinds if isinstance(kind, Nested)]
    if len(kinds) == 1:
        (kind,) = kinds
    elif len(models) == len(kinds):
        kind = _variants(models, where)
    else:
        kind = Either(kinds)
    return kind if len(some) == len(hints) else Optional(kind)


def _variants(models: list[type[ConfigModel]], where: str) -> Variants:
    for tag in fields_of(models[0]):
        found = {model: fields_of(model)[tag].kind for model in models if tag in fields_of(model)}
        named = {name: model for model, kind in found.items() if isinstance(kind, OneOf) for name in kind.values}
        if set(named.values()) == set(models):
            return Variants(tag, named)
    raise TypeError(
        f"{where}: what tells {', '.join(model.__name__ for model in models)} apart is a Literal field of all"
    )
