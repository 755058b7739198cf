"""The conformance suite for readers: what file_cdk relies on, checked against a store of yours with pytest.

    from file_cdk.testing.reader_conformance import ReaderConformance

    class TestShelfReader(ReaderConformance):
        def make_storage(self, tmp_path):
            return ShelfStorage(tmp_path)

where ShelfStorage is a Storage: it puts files, deletes them, and makes readers of them.
"""

from pathlib import Path

import pytest

from file_cdk.testing.odd_keys import NEAR_MISSES, ODD_KEYS
from file_cdk.testing.readers.bytes import BytesConformance
from file_cdk.testing.readers.faults import FaultConformance
from file_cdk.testing.readers.listing import ListingConformance
from file_cdk.testing.readers.processes import ProcessConformance
from file_cdk.testing.readers.storage import MissingRoot, Proxied, PutsMany, RefusedKeyError, Storage
from file_cdk.testing.readers.versions import VersionConformance

__all__ = [
    "NEAR_MISSES",
    "ODD_KEYS",
    "MissingRoot",
    "Proxied",
    "PutsMany",
    "ReaderConformance",
    "RefusedKeyError",
    "Storage",
]


class ReaderConformance(ListingConformance, BytesConformance, VersionConformance, ProcessConformance, FaultConformance):
    """Subclass it with a name that begins with `Test`, and say how a storage is made; each test gets a new one.

    Class attributes adapt it: `pins_versions = False` for a store without versions, `refused_keys` to pin which odd keys
    the store does not take, `many_files` and `large_bytes` for one that is slow. Checks of what a storage does not offer
    are skipped and say so. A storage that has to be closed: override the fixture `storage` instead of `make_storage`.
    """

    def make_storage(self, tmp_path: Path) -> Storage:
        """An empty root of its own. tmp_path: a new folder, for a store that wants one."""
        raise NotImplementedError(f"{type(self).__name__} needs make_storage, or a fixture named storage")

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return self.make_storage(tmp_path)
