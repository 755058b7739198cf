"""Which class reads which filetype and which file ending. Importing this module imports no format."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from operator import methodcaller
from typing import TYPE_CHECKING, Any, cast

from file_cdk.core.errors import ConfigError, DialectRefutedError
from file_cdk.core.formats import BUILT_IN, FILETYPES, KINDS
from file_cdk.core.uris import without_compression

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from file_cdk.core.config import CsvConfig, FormatConfig, StreamConfig
    from file_cdk.core.ports import Format
    from file_cdk.formats.column_rules import ColumnPlan
    from file_cdk.formats.csv.sniff.detect import Seen

_log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "file_cdk.formats"
"""A third party's entry point: its name is the filetype, its object a class that is constructed with the config."""


def format_for(config: "FormatConfig", stream: "StreamConfig") -> "Format":
    """The format that `config.filetype` names, configured, for plain and compressed files, with the columns that `stream`
    wants from their paths. Raises ConfigError when no installed format has that name."""
    return _wrapped(cast("Format", _class_for(config.filetype)(config)), config.filetype, stream)


def detecting_csv(usual: "CsvConfig", header: tuple[str, ...], seen: "Seen", stream: "StreamConfig") -> "Format":
    """As `format_for`, but of CSV files each in the dialect that it shows; see DetectingCsvFormat."""
    from file_cdk.formats.csv.sniff.format import DetectingCsvFormat

    return _wrapped(DetectingCsvFormat(usual, header, seen), "csv", stream)


def with_dialect(file_format: "Format", refuted: DialectRefutedError) -> "Format":
    """The same format, as `detecting_csv` gave it, but for the file that was not written as it looked."""
    from file_cdk.formats.csv.sniff.format import DetectingCsvFormat

    if isinstance(file_format, DetectingCsvFormat):
        return file_format.with_dialect(refuted)
    wrapper: Any = file_format
    return cast("Format", replace(wrapper, inner=with_dialect(wrapper.inner, refuted)))


def _wrapped(file_format: "Format", filetype: str, stream: "StreamConfig") -> "Format":
    from file_cdk.formats.unpacking import Unpacking

    unpacking = Unpacking(file_format, stream.max_expansion_ratio)
    with_paths = with_path_columns(unpacking, filetype, stream.path_partitions, stream.path_pattern)
    return with_column_rules(with_paths, stream, getattr(getattr(file_format, "config", None), "decimal_mark", "."))


def with_path_columns(
    inner: "Format", filetype: str, path_partitions: bool | None, path_pattern: str | None
) -> "Format":
    """`inner` with the path columns a stream is configured to have; `inner` itself where there are none."""
    row = BUILT_IN.get(filetype)
    partitions = row is not None and row.partitioned if path_partitions is None else path_partitions
    if not (partitions or path_pattern):
        return inner
    from file_cdk.formats.path_columns import WithPathColumns

    return WithPathColumns(inner, partitions, path_pattern)


def has_column_rules(stream: "StreamConfig") -> bool:
    return stream.columns is not None or not (stream.schema_contract is None or stream.schema_contract.evolves)


def with_column_rules(inner: "Format", stream: "StreamConfig", decimal_mark: str = ".") -> "Format":
    """`inner` with the rules and the contract that a stream is configured to have for columns; `inner` itself where there are
    none. Raises ConfigError where a hash has no salt."""
    if not has_column_rules(stream):
        return inner
    from file_cdk.core.config import ColumnRules, SchemaContract
    from file_cdk.formats.column_rules import ColumnPlan, WithColumnRules, salt_of

    plan = ColumnPlan(stream.columns or ColumnRules(), stream.schema_contract or SchemaContract())
    return WithColumnRules(inner, plan, salt_of(plan.rules, stream.name), decimal_mark)


def with_folders(file_format: "Format", keys: frozenset[str]) -> "Format":
    """The format with columns of `key=value` folders, for which the rules count as for all others."""
    from file_cdk.formats.path_columns import WithPathColumns

    rules: Any = file_format
    if plan_of(file_format) is None:
        return WithPathColumns(file_format, partitions=True, pattern=None, folders=keys)
    return cast("Format", replace(rules, inner=with_folders(rules.inner, keys)))


def plan_of(file_format: "Format") -> "ColumnPlan | None":
    """What rules say of the columns, if there are any."""
    return getattr(file_format, "plan", None)


def kinds() -> list[str]:
    """What `--format` takes: all installed formats and their variants, those of other packages last."""
    return [*KINDS, *_third_party()]


def require_format(filetype: str) -> None:
    """Raises ConfigError when no installed format has that name; imports none."""
    if module_of(filetype) is not None and filetype in FILETYPES:
        return  # without a look at what other packages announce, which takes 15 ms
    filetypes = [kind for kind in kinds() if kind in FILETYPES or kind not in BUILT_IN]
    if filetype not in filetypes:
        raise ConfigError(
            f"format {filetype!r} is not supported by this version",
            remedy=f"Supported formats: {', '.join(filetypes)}",
        )


def module_of(filetype: str) -> str | None:
    """The module of a built-in format, for a process to import ahead; None for any other."""
    row = BUILT_IN.get(filetype)
    return row.place.partition(":")[0] if row is not None and row.place else None


def kind_of(uri: str) -> str | None:
    """What a file's ending says that it is, as `--format` takes it: in any case, one of compression before it passed over.
    None when no installed format claims the ending."""
    name = uri.rpartition("/")[2]
    kind = _built_in_kind(name[name.find(".") :])
    if kind is None and (others := _extensions()):
        name = without_compression(name).lower()
        return next((filetype for filetype, extensions in others.items() if name.endswith(extensions)), None)
    return kind


def kinds_of(uris: Sequence[str]) -> set[str | None]:
    """What `kind_of` says of all of them, in a fraction of the time that it takes to ask it of each."""
    ending = uris[0][uris[0].rfind(".") :] if uris else ""
    kind = _built_in_kind(ending)
    if kind is not None and all(map(methodcaller("endswith", ending), uris)):
        return {kind}  # as nearly always
    found = set(map(_built_in_kind, {uri[uri.find(".", uri.rfind("/") + 1) :] for uri in uris}))
    return found if None not in found else set(map(kind_of, uris))


@lru_cache(maxsize=1024)
def _built_in_kind(ending: str) -> str | None:
    """ending: of a name, from its first dot on; many files have the same few."""
    ending = without_compression(ending).lower()
    return next((kind for kind, row in BUILT_IN.items() if ending.endswith(row.extensions)), None)


def default_config(named: str) -> "FormatConfig | None":
    """The configuration of the format that goes by a name, or by an extension that stands for it, with or without its dot;
    None when there is no such format."""
    from file_cdk.core.config import formats

    name = named.lower().removeprefix(".")
    # What other packages announce is looked at last: that takes 15 ms.
    kind = name if name in KINDS or name in kinds() else kind_of(f"x.{name}")
    if kind is None:
        return None
    if kind not in BUILT_IN:
        return formats.PluginConfig(filetype=kind)
    made: FormatConfig = getattr(formats, BUILT_IN[kind].config)(**BUILT_IN[kind].options)
    return made


def _class_for(filetype: str) -> Any:
    row = BUILT_IN.get(filetype)
    if row is not None and row.place:
        module, _, name = row.place.partition(":")
        return getattr(import_module(module), name)
    require_format(filetype)
    entry_point = _third_party()[filetype]
    try:
        return entry_point.load()
    except Exception as exc:  # another package may raise anything while it is imported
        raise ConfigError(
            f"format {filetype!r} cannot be loaded from {entry_point.value!r}: {exc}",
            remedy="Reinstall the package that provides it, with all it needs",
        ) from exc


def forget_installed() -> None:
    """Has packages that were installed since looked for, as tests need it."""
    _third_party.cache_clear()
    _extensions.cache_clear()


@cache
def _extensions() -> dict[str, tuple[str, ...]]:
    """How the files of each format of another package end. One that cannot be imported is told of, and has none."""
    found = {}
    for filetype in _third_party():
        try:
            found[filetype] = tuple(getattr(_class_for(filetype), "extensions", ()))
        except ConfigError as exc:
            _log.warning("%s", exc)
    return found


@cache
def _third_party() -> "dict[str, EntryPoint]":
    """By filetype, in alphabetical order. One that has the name of a built-in format is told of, and left out."""
    from importlib.metadata import entry_points  # of all that start-up needs, what takes longest

    found = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        row = BUILT_IN.get(point.name)
        if row is None or row.place is None:
            found[point.name] = point
        elif point.value != row.place:  # an older version of this package announced its own formats, too
            _log.warning(
                "format %r of %s is not used: a built-in format has that name. Rename it in its entry point of the group %s",
                point.name,
                point.value,
                ENTRY_POINT_GROUP,
            )
    return found
