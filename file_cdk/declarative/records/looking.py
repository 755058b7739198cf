"""Which members of a mapping the templates of a stream look at, so that no others need be decoded."""

import re
from collections.abc import Iterable

_MEMBER = r"""\s*(?:\.\s*get\(\s*(?P<q>['"])(?P<got>[^'"\\]*)(?P=q)   # .get('name'
    | \[\s*(?P<r>['"])(?P<item>[^'"\\]*)(?P=r)\s*\]             # ['name']
    | \.\s*(?P<attribute>[A-Za-z_]\w*)(?!\w|\s*\())             # .name, which is no method"""


def looked_at(texts: Iterable[str], name: str) -> tuple[str, ...] | None:
    """The members of `name` that the templates look at, sorted; None where that cannot be told from their texts, as where one is
    looked up by a name that is itself looked up."""
    members = set()
    for text in texts:
        for found in re.finditer(rf"\b{name}\b", text):
            member = re.compile(_MEMBER, re.VERBOSE).match(text, found.end())
            if member is None:
                return None
            members.add(member["got"] or member["item"] or member["attribute"] or "")
    return tuple(sorted(members))
