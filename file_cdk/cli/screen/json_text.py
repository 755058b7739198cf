"""What lines of JSON have in common, of which there is one for each file of a listing or a ledger: in a third of the time that
`json.dumps` and `dataclasses.asdict` take."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from file_cdk.cli.screen.wording import instant

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.files import RemoteFile
    from file_cdk.core.ledger import LedgerEntry

json_text = json.JSONEncoder().encode
"""A string as JSON has it."""

_NO_VERSION = '"size_bytes": null, "modified_at": null, "etag": null'


def version_members(file: "RemoteFile | None") -> str:
    """Those members of an object that say which version of a file it is about; all null where there is no file."""
    if file is None:
        return _NO_VERSION
    etag = "null" if file.etag is None else json_text(file.etag)
    return f'"size_bytes": {file.size_bytes}, "modified_at": "{instant(file.modified_at)}", "etag": {etag}'


def entry_object(entry: "LedgerEntry") -> dict[str, Any]:
    """The fields by name, for `json.dumps`."""
    facts = {name: getattr(entry, name) for name in _facts()}
    facts["modified_at"], facts["loaded_at"] = instant(entry.modified_at), instant(entry.loaded_at)
    return facts


@cache
def _facts() -> tuple[str, ...]:
    from dataclasses import fields

    from file_cdk.core.ledger import LedgerEntry

    return tuple(field.name for field in fields(LedgerEntry))
