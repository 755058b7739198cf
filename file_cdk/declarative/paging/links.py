"""The header field Link (RFC 8288), as templates see it: `headers.link.next.url`."""

import re
from collections.abc import Mapping

_BLANKS_AND_QUOTES = " '\""


def links(field: str) -> Mapping[str, Mapping[str, str]]:
    """Each link's `url` and parameters, by its relation, or by its URL where it has none."""
    found = {}
    for text in re.split(r", *<", field.strip(_BLANKS_AND_QUOTES)):
        url, _, parameters = text.partition(";")
        link = {"url": url.strip("<>" + _BLANKS_AND_QUOTES)}
        for parameter in parameters.split(";"):
            name, sign, value = parameter.partition("=")
            if not sign or "=" in value:
                break
            link[name.strip(_BLANKS_AND_QUOTES)] = value.strip(_BLANKS_AND_QUOTES)
        if text:
            found[link.get("rel") or link["url"]] = link
    return found
