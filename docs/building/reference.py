"""The pages of docs/reference, made from the code: commands, configurations, the Python API, errors and exit codes.

    python docs/building/reference.py            writes them anew
    python docs/building/reference.py --check    exits with 1 and names those that are not as they would be written

Signatures and docstrings are read from the sources, not from what Python makes of them, so that every version gives the same.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "reference"
Json = Mapping[str, Any]


def pages() -> dict[str, str]:
    from commands import commands  # beside this script

    return {
        "commands.md": commands(),
        "configuration.md": _configuration(),
        "api.md": _api(),
        "errors.md": _errors(),
    }


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", *lines]).rstrip() + "\n"


def cell(text: str) -> str:
    """Text as a table's cell takes it: code stays code, and nothing in it is taken for markup."""
    parts = " ".join(text.split()).split("`")
    plain = [part.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;") for part in parts[::2]]
    mixed = [plain[n // 2] if n % 2 == 0 else parts[n] for n in range(len(parts))]
    return "`".join(mixed).replace("|", "\\|")


# Configurations: of what `spec` prints


def _configuration() -> str:
    found = {path.parent.name: path for path in sorted((ROOT / "connectors").glob("*/specification.json"))}
    schemas = {
        name: json.loads(path.read_text(encoding="utf-8"))["spec"]["connectionSpecification"]
        for name, path in found.items()
    }
    local = schemas["source_local"]["properties"]
    lines = [
        "What a YAML file for `file-cdk sync` and the JSON configuration of a connector may hold: the keys of its source, and",
        "`streams`, which is the same in all of them. `source-s3 spec` and the like print the same as JSON Schema.",
        "",
        "## Streams",
        "",
        *_fields(local["streams"]["items"]),
        "## Formats",
        "",
        "What `format` of a stream may hold; `filetype` says which. [Formats](../guide/formats.md) tells what they do.",
        "",
    ]
    for variant in local["streams"]["items"]["properties"]["format"]["oneOf"]:
        lines += [f"### {variant['properties']['filetype']['const']}", "", *_fields(variant)]
    common = set(local) - {"path", "follow_symlinks"}
    for name, schema in schemas.items():
        own = {key: value for key, value in schema["properties"].items() if key not in common}
        command = name.replace("_", "-")
        lines += [f"## {command}", "", *_fields({**schema, "properties": own})]
    both = {key: value for key, value in local.items() if key in common and key != "streams"}
    lines += ["## All sources", "", *_fields({"properties": both})]
    return _page("Configuration", lines)


def _fields(schema: Json) -> list[str]:
    rows = list(_rows(schema, ""))
    if not rows:
        return ["No fields of its own.", ""]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]


def _rows(schema: Json, before: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for key, field in schema["properties"].items():
        if "const" in field:
            continue
        name = f"{before}{key}"
        default = "required" if key in required else _default(field)
        yield f"| `{name}` | {cell(_type(field))} | {default} | {cell(field.get('description', ''))} |"
        if key == "format":
            continue
        if "properties" in field:
            yield from _rows(field, f"{name}.")
        for variant in field.get("oneOf", ()):
            yield from _variant(variant, name)


def _variant(variant: Json, name: str) -> Iterator[str]:
    tags = [f"{key}: {field['const']}" for key, field in variant.get("properties", {}).items() if "const" in field]
    if tags:
        yield f"| `{name}` | | | with `{tags[0]}`: {cell(variant.get('description') or variant.get('title', ''))} |"
        yield from _rows(variant, f"{name}.")


def _type(field: Json) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "oneOf" in field:
        return "object, one of"
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}s" if field.get("items", {}).get("type") else "list"
    return f"{kind}, secret" if field.get("airbyte_secret") else kind


def _default(field: Json) -> str:
    value = field.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`".replace("|", "\\|")


# The Python API: of the list in __init__.pyi


def _api() -> str:
    lines = [
        "What `import file_cdk` offers, by the module that has it; everything else may change. `file_cdk.testing` is described",
        "in [the guide to tests](../guide/testing.md).",
        "",
    ]
    for module, names in sorted(public_names().items()):
        lines += [f"## {module}", ""]
        for name in names:
            lines += _described(name, _definition(module, name))
    return _page("Python API", lines)


def public_names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    stub = ast.parse((ROOT / "file_cdk" / "__init__.pyi").read_text(encoding="utf-8"))
    for statement in stub.body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            found.setdefault(statement.module, []).extend(alias.name for alias in statement.names)
    return found


Definition = tuple[ast.stmt, str]
"""A statement, and the docstring that follows it if it is no function and no class."""


def _definition(module: str, name: str) -> Definition:
    """Where a package hands on what one of its modules has, that module's."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.exists():
        path = ROOT / module.replace(".", "/") / "__init__.py"
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.ClassDef(name=defined) | ast.FunctionDef(name=defined) if defined == name:
                return statement, ast.get_docstring(statement) or ""
            case ast.Assign(targets=[ast.Name(id=defined)]) | ast.AnnAssign(target=ast.Name(id=defined)) if (
                defined == name
            ):
                return statement, _text(after)
            case ast.ImportFrom(module=str(origin), names=aliases):
                for alias in aliases:
                    if (alias.asname or alias.name) == name:
                        return _definition(origin, alias.name)
    raise LookupError(f"{module} has no {name}")


def _text(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""


def _described(name: str, definition: Definition) -> list[str]:
    statement, text = definition
    lines = [f"### {name}", "", *_code(_signature(statement, name)), *_prose(text)]
    if isinstance(statement, ast.ClassDef):
        for method in statement.body:
            shown = isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
            if shown and (words := ast.get_docstring(method)):  # type: ignore[arg-type]
                lines += [f"`{_signature(method, method.name)}`", "", *_prose(words)]  # type: ignore[attr-defined]
    return lines


def _code(text: str) -> list[str]:
    return ["```text", text, "```", ""]


def _prose(text: str) -> list[str]:
    """A docstring's paragraphs; their lines stay, since lists in them are lines."""
    return [*(line.rstrip() for line in text.replace("<", "&lt;").splitlines()), ""] if text else []


def _signature(statement: ast.stmt, name: str) -> str:
    match statement:
        case ast.FunctionDef():
            decorated = {ast.unparse(decorator) for decorator in statement.decorator_list}
            returns = f" -> {ast.unparse(statement.returns)}" if statement.returns else ""
            if "property" in decorated:
                return f"{name}{returns.replace(' -> ', ': ')}"
            return f"{name}({_arguments(statement.args)}){returns}"
        case ast.ClassDef():
            return _class_signature(statement)
        case ast.AnnAssign():
            return ast.unparse(statement)
    return ast.unparse(statement)


def _arguments(arguments: ast.arguments) -> str:
    text = ast.unparse(arguments)
    for own in ("self", "cls"):
        text = text.removeprefix(f"{own}, ") if text.startswith(f"{own}, ") else "" if text == own else text
    return text


def _class_signature(statement: ast.ClassDef) -> str:
    bases = [ast.unparse(base) for base in statement.bases]
    lines = [f"class {statement.name}({', '.join(bases)})" if bases else f"class {statement.name}"]
    for member in statement.body:
        match member:
            case ast.AnnAssign(target=ast.Name(id=field)) if not field.startswith("_"):
                lines.append(f"    {_field(member)}")
            case ast.FunctionDef(name=method) if method == "__init__" or not method.startswith("_"):
                lines.append(f"    {_signature(member, method)}")
    return "\n".join(lines)


def _field(member: ast.AnnAssign) -> str:
    """Without what a form says of it: that is in the reference of configurations."""
    text = f"{ast.unparse(member.target)}: {ast.unparse(member.annotation)}"
    return (
        text if member.value is None or isinstance(member.value, ast.Call) else f"{text} = {ast.unparse(member.value)}"
    )


# Errors and exit codes


def _errors() -> str:
    from file_cdk.core import errors
    from file_cdk.core.exit_codes import ExitCode, of_error

    body = ast.parse((ROOT / "file_cdk" / "core" / "errors.py").read_text(encoding="utf-8")).body
    lines = [
        "## Exit codes of `file-cdk`",
        "",
        "What each means for data and for the next run: [when something fails](../guide/sync.md#when-something-fails).",
        "Connectors exit with 0, with 1 after an error, with 2 for wrong usage, and with the last three.",
        "",
        "| code | name |",
        "|---|---|",
        *(f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in ExitCode),
        "",
        "## Errors",
        "",
        "All are subclasses of `FileCdkError`. `code` is what `file-cdk` exits with if the error ends it; `failure_type` is what",
        "a connector's TRACE message says.",
        "",
        "| error | a kind of | code | failure_type | meaning |",
        "|---|---|---|---|---|",
    ]
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            kind = getattr(errors, statement.name)
            # Which code it is depends on the class, but for errors of a source of another's, which say themselves.
            error = kind.__new__(kind)
            error.in_part = False
            meaning = " ".join((ast.get_docstring(statement) or "").split())
            base = ast.unparse(statement.bases[0])
            code = of_error(error)
            if code is ExitCode.INTERNAL_ERROR and kind is not errors.InternalError:
                code = ""  # does not end a command: it is told of streams, or a kind of errors
            lines.append(f"| `{statement.name}` | `{base}` | {code} | {kind.failure_type} | {cell(meaning)} |")
    return _page("Errors and exit codes", lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes docs/reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not fresh")
    check = parser.parse_args().check
    stale = []
    for name, text in pages().items():
        path = OUT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"not fresh: {', '.join(stale)}. Run: python docs/building/reference.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
