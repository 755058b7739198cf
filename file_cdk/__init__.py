"""Files out of buckets and into tables: one engine behind Airbyte-protocol connectors, the `file-cdk` command and this library.

The public API is what `__init__.pyi` imports; everything else may change. Names are imported when first used, so
that importing the package costs nothing.
"""

from typing import Any

_modules: dict[str, str] = {}
"""Public name -> the module that defines it; read from `__init__.pyi` when the first name is asked for."""

_AT_A_START = dict.fromkeys(("run_connector", "run_destination", "run_manifest"), "file_cdk.cli.entry") | {
    "read": "file_cdk.pipeline.library.read"
}
"""The same, of names for which there is no waiting until that list is read."""


def _read_stub() -> None:
    """As text: to import and to ask Python's parser takes 5 ms of each command that comes here."""
    with open(f"{__path__[0]}/__init__.pyi", encoding="utf-8") as stub:
        statements = stub.read().split("\nfrom ")[1:]
    for statement in statements:
        module, _, names = statement.partition(" import ")
        for name in names.strip("()\n").split(","):
            _modules[name.split(" as ")[-1].strip()] = module
    _modules.pop("", None)  # what follows a comma at the end


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module 'file_cdk' has no attribute {name!r}")
    if name in _AT_A_START:
        return getattr(import_module(_AT_A_START[name]), name)
    if not _modules:
        _read_stub()
    if name == "__all__":
        return list(_modules)
    if name not in _modules:
        raise AttributeError(f"module 'file_cdk' has no attribute {name!r}")
    value = getattr(import_module(_modules[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))
