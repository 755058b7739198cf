"""URLs of buckets and objects, as the command line names them."""

import re

from file_cdk import ConfigError, Location, globs_of_key

_WILDCARD = re.compile(r"[*?\[{]")


def locate(url: str) -> Location:
    """`s3://bucket` is everything in it, a path that ends in `/` all below, a pattern what it matches, any other path the
    object of that key, and all below it when that does not look like a file's. Keys are taken literally, not as URLs have
    them. Does no request. Raises ConfigError when no bucket is named."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a") or not bucket or _WILDCARD.search(bucket):
        raise ConfigError(
            "the URL names no bucket", remedy="Write s3://bucket, s3://bucket/folder/ or s3://bucket/*.csv"
        )
    if "@" in bucket:
        raise ConfigError("the URL has credentials in it", remedy="Put them into the environment or a configuration")
    globs, name = globs_of_key(key)
    return Location({"bucket": bucket}, globs, name or bucket)
