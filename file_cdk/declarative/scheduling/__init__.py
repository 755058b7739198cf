"""Pages of a stream in the order of its slices, several of them asked for at once. Threads of manifests are here alone."""

from file_cdk.declarative.scheduling.bounds import Bounds
from file_cdk.declarative.scheduling.events import Counts, PageReady, ReadDone, SliceDone, StreamCounts
from file_cdk.declarative.scheduling.kept import KeptPages
from file_cdk.declarative.scheduling.reading import OrderedRead, read
from file_cdk.declarative.scheduling.room import Room
from file_cdk.declarative.scheduling.stream_pages import Begun, Resumed

__all__ = [
    "Begun",
    "Bounds",
    "Counts",
    "KeptPages",
    "OrderedRead",
    "PageReady",
    "ReadDone",
    "Resumed",
    "Room",
    "SliceDone",
    "StreamCounts",
    "read",
]
