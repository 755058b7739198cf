"""States that Airbyte's connector wrote: it names a file by its path from the root on, and not from the folder on."""

from collections.abc import Mapping
from typing import Any

from file_cdk import renamed_state
from source_sftp.absolute import below
from source_sftp.config import SftpConfig


def adopted_state(config: SftpConfig, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state with uris relative to the folder, if that is given from the root on.

    Of a folder relative to the user's own it cannot be told whose state it is: `in/x.csv` may be ours, of `in/in/x.csv`.
    """
    if not config.folder_path.startswith("/"):
        return state
    return renamed_state(state, lambda uri: below(config.folder_path, uri))
