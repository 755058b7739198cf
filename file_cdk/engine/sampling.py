"""Find the schemas of a few files, in the same executor that will read them: native readers may not survive bad bytes."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, JsonLines, StreamReader
from file_cdk.engine.executor import Attempt, Executor
from file_cdk.engine.ordering import FileDone, FileTally, OrderedRun
from file_cdk.engine.work import Ended, Failed, Job, SampleShape, TableShape, Task

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_FILES = 10
"""How many of the latest files a schema is found from, unless a configuration says otherwise."""

Target = Literal["json", "table"]


def sample(
    executor: Executor, reader: StreamReader, format: Format, files: Iterable[RemoteFile], target: Target
) -> Iterator[Any]:
    """For each file, in order: JSON Schema properties or an Arrow schema, or the FileCdkError that prevents it."""
    job = Job(reader, format, None, SampleShape(target))
    waiting: deque[Attempt] = deque()
    remaining = iter(files)
    while True:
        while executor.has_room() and (file := next(remaining, None)) is not None:
            waiting.append(executor.submit(Task(job, Split(file, 0, 0, file.size_bytes), 0)))
        if not waiting:
            return
        attempt = waiting.popleft()
        while not isinstance(event := attempt.next_event(), Ended | Failed):
            pass
        yield event.schema if isinstance(event, Ended) else event.error


@dataclass(frozen=True, slots=True)
class _Uncopied:
    """An Encoder that leaves nothing of a batch but that it came."""

    line_oriented: bool = False

    def encode(self, batch: "pa.RecordBatch | JsonLines", *_: object) -> bytes:  # noqa: ARG002
        return b"."


def read_through(
    executor: Executor, reader: StreamReader, format: Format, file: RemoteFile, schema: "pa.Schema"
) -> FileTally | None:
    """Decodes the whole file for a table of these columns and keeps nothing; None when it cannot be read to its end."""
    import pyarrow as pa

    from file_cdk.core.arrow_types import merge_schemas, without_nulls

    columns = pa.schema([(column.name, without_nulls(column.type)) for column in merge_schemas([schema])])
    job = Job(reader, format, _Uncopied(), TableShape(columns))
    outcomes = [event for event in OrderedRun(executor, job, [file]) if isinstance(event, FileDone)]
    return outcomes[0].tally if outcomes else None
