"""All that is wrong with a manifest, and what of it will not do as it looks, each where it is written."""

from collections.abc import Iterator
from typing import Any

import msgspec

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.origins import Origins
from file_cdk.declarative.language.reading import Document, Place, read
from file_cdk.declarative.language.references import REF, ReferenceNotResolvedError, is_reference, nearest, target
from file_cdk.declarative.language.resolving import resolved_document
from file_cdk.declarative.language.shapes import Finding, Severity, findings
from file_cdk.declarative.language.surprises import surprises


class Mistake(msgspec.Struct, frozen=True):
    """line, column: 1-based. stream, field: what it is a part of, where it is of one. nearest: what may have been meant."""

    line: int
    column: int
    severity: Severity
    message: str
    stream: str | None = None
    field: str | None = None
    nearest: str | None = None


def mistakes(text: str, name: str = "manifest") -> list[Mistake]:
    """In the order of lines; none where a manifest is as it should be. What several streams share is told once, of the first."""
    try:
        document = read(text, name, with_places=True)
    except ManifestError as exc:
        return [Mistake(max(exc.line, 1), max(exc.at, 1), "error", exc.message)]
    found = [Mistake(*remark.place, "warning", remark.message) for remark in document.remarks]
    broken = list(_broken_references(document))
    found += broken
    if not broken:
        found += _of_resolved(document, name)
    return sorted(dict.fromkeys(found), key=lambda each: (each.line, each.column))


def _of_resolved(document: Document, name: str) -> Iterator[Mistake]:
    try:
        manifest = resolved_document(document.value, name)
    except ReferenceNotResolvedError as exc:
        yield Mistake(*_place_of(exc, document), "error", exc.message)
        return
    except ManifestError as exc:
        yield Mistake(max(exc.line, 1), max(exc.at, 1), "error", exc.message)
        return
    origins = Origins(document)
    told: set[tuple[Place, str]] = set()
    wrong = list(findings(manifest))
    for finding in [
        *wrong,
        *surprises(manifest, document.value, is_sound=not any(each.severity == "error" for each in wrong)),
    ]:
        place = origins.place(finding.path)
        if (place, finding.message) not in told:
            told.add((place, finding.message))
            yield _mistake(finding, place, manifest)


def _mistake(finding: Finding, place: Place, manifest: dict[str, Any]) -> Mistake:
    match finding.path:
        case ("streams", int(index), *_):
            name = manifest["streams"][index].get("name") if isinstance(manifest["streams"][index], dict) else None
        case _:
            name = None
    field = next((step for step in reversed(finding.path) if isinstance(step, str)), None)
    stream = name if isinstance(name, str) and name else None
    return Mistake(*place, finding.severity, finding.message, stream, field, finding.nearest)


def _broken_references(document: Document) -> Iterator[Mistake]:
    for holder, key, reference in _references(document.value):
        place = document.places.get(id(holder), {}).get(key, (1, 1))
        if not isinstance(reference, str):
            yield Mistake(*place, "error", "a `$ref` is a text", field=str(key))
            continue
        if not is_reference(reference):
            told = f"the reference {reference!r} does not begin with '#/': parts of other files cannot be referred to"
            yield Mistake(*place, "error", told, field=str(key))
            continue
        try:
            target(document.value, reference)
        except LookupError:
            near = nearest(document.value, reference)
            yield Mistake(*place, "error", f"the reference {reference!r} is to nothing", field=str(key), nearest=near)


def _place_of(error: ReferenceNotResolvedError, document: Document) -> Place:
    """Of the reference that closes a circle."""
    part = target(document.value, error.within) if error.within else document.value
    for written in (part, document.value):  # the part may be the reference itself
        for holder, key, reference in _references(written):
            if reference == error.reference and (place := document.places.get(id(holder), {}).get(key)):
                return place
    return (1, 1)


def _references(value: Any) -> Iterator[tuple[Any, str | int, Any]]:
    """Each with the mapping or list that it stands in, and where in that."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        if key == "config_overrides":
            continue
        if is_reference(each) or (key == REF and not isinstance(each, dict)):
            yield value, key, each
        else:
            yield from _references(each)
