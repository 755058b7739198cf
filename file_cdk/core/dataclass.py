"""`dataclass` as `dataclasses` has it, for slotted classes, made in a quarter of the time.

The library compiles up to six methods of a class from text, which takes 0.4 ms, and a command has about a hundred classes before
its first byte. Here `__init__` alone is compiled; the other methods are closures over the fields' names.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from collections.abc import Callable
    from operator import attrgetter
    from reprlib import recursive_repr

    def dataclass(
        *, slots: bool, frozen: bool = False, eq: bool = True, init: bool = True, kw_only: bool = False
    ) -> Callable[[type], type]:
        """As `dataclasses.dataclass`, of which it takes these options; `slots` is true, and no frozen class has `kw_only`."""
        if not slots or (frozen and kw_only):
            raise TypeError(
                "dataclasses.dataclass makes classes without slots, and frozen ones with fields by keyword alone"
            )

        def made(plain: type) -> type:
            own = vars(plain)
            cls = dataclasses.dataclass(slots=True, init=init and not frozen, repr=False, eq=False, kw_only=kw_only)(
                plain
            )
            fields = dataclasses.fields(cls)
            if "__repr__" not in own:
                cls.__repr__ = _repr_of([field.name for field in fields if field.repr])
            if eq:
                key = _key_of([field.name for field in fields if field.compare])
                if "__eq__" not in own:
                    cls.__eq__ = _eq_by(key)
                if "__hash__" not in own:
                    cls.__hash__ = _hash_by(key) if frozen else None
            if frozen:
                cls.__setattr__, cls.__delattr__ = _refuse_to_set, _refuse_to_delete
                cls.__getstate__, cls.__setstate__ = _state_of([field.name for field in fields])
                if init and "__init__" not in own:
                    cls.__init__ = _init_of(cls, fields)
            return cls

        return made

    def _init_of(cls: type, fields: tuple[dataclasses.Field, ...]) -> Callable[..., None]:
        """Fills the slots themselves, past the `__setattr__` that refuses."""
        names: dict[str, object] = {"_made": (to_be_made := object())}
        parameters, lines = ["self"], []
        for field in fields:
            name, value = field.name, field.name
            names[f"_set_{name}"] = getattr(cls, name).__set__
            if field.default_factory is not dataclasses.MISSING:
                names[f"_new_{name}"] = field.default_factory
                value = f"_new_{name}() if {name} is _made else {name}" if field.init else f"_new_{name}()"
                default = to_be_made
            else:
                default = field.default
            if default is not dataclasses.MISSING:
                names[f"_default_{name}"] = default
            if field.init:
                parameters.append(name if default is dataclasses.MISSING else f"{name}=_default_{name}")
            elif default is dataclasses.MISSING:
                continue
            elif default is not to_be_made:
                value = f"_default_{name}"
            lines.append(f"    _set_{name}(self, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append("    self.__post_init__()")
        exec("\n".join([f"def __init__({', '.join(parameters)}):", *(lines or ["    pass"])]), names)  # noqa: S102  as the library does
        init = names["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__module__ = cls.__module__
        return init

    def _key_of(names: list[str]) -> Callable[[object], tuple[object, ...]]:
        """What instances are compared by: their fields' values."""
        if len(names) > 1:
            return attrgetter(*names)  # of one name, it would be no tuple, in which NaN equals itself
        return lambda self: tuple([getattr(self, name) for name in names])

    def _eq_by(key: Callable[[object], tuple[object, ...]]) -> Callable[[object, object], object]:
        def equal(self: object, other: object) -> object:
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        return equal

    def _hash_by(key: Callable[[object], tuple[object, ...]]) -> Callable[[object], int]:
        def hashed(self: object) -> int:
            return hash(key(self))

        return hashed

    def _repr_of(names: list[str]) -> Callable[[object], str]:
        @recursive_repr()
        def text(self: object) -> str:
            values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
            return f"{self.__class__.__qualname__}({values})"

        return text

    def _refuse_to_set(_: object, name: str, _value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(_: object, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _state_of(names: list[str]) -> tuple[Callable[[object], list[object]], Callable[[object, list[object]], None]]:
        """For pickles, which would set fields by the `__setattr__` that refuses."""

        def state(self: object) -> list[object]:
            return [getattr(self, name) for name in names]

        def set_state(self: object, values: list[object]) -> None:
            for name, value in zip(names, values, strict=True):
                object.__setattr__(self, name, value)

        return state, set_state
