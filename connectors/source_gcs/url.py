"""`gs://bucket/path` turned into a configuration and the globs of the objects that are meant. Asks nobody."""

from file_cdk import ConfigError, Location, globs_of_key, redacted
from source_gcs.config import BUCKET


def locate(url: str) -> Location:
    """A bucket means everything in it, a path that ends with a slash everything below it, a pattern what it matches;
    any other path the object of that key, and all below it when that does not look like a file's. After an archive's name
    and `!`, what is inside.

    Keys are taken as they stand: nothing is percent-decoded. Raises ConfigError for what names no bucket.
    """
    _, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise ConfigError(f"{redacted(url)} names no bucket", remedy="Write gs://bucket/path")
    globs, name = globs_of_key(key)
    return Location({"bucket": bucket}, globs, name or bucket)
