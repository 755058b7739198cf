"""Find the schemas of a few files, in the same executor that will read them: native readers may not survive bad bytes."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, StreamReader
from file_cdk.engine.executor import Attempt, Executor
from file_cdk.engine.work import Ended, Failed, Job, SampleShape, Task

SAMPLE_FILES = 10
"""How many of the latest files a schema is found from, unless a configuration says otherwise."""

Target = Literal["json", "table"]


def sample(
    executor: Executor, reader: StreamReader, decoder: Format, files: Iterable[RemoteFile], target: Target
) -> Iterator[Any]:
    """For each file, in order: JSON Schema properties or an Arrow schema, or the FileCdkError that prevents it."""
    job = Job(reader, decoder, None, SampleShape(target))
    waiting: deque[Attempt] = deque()
    remaining = iter(files)
    while True:
        while executor.has_room() and (file := next(remaining, None)) is not None:
            waiting.append(executor.submit(Task(job, Split(file, 0, 0, file.size_bytes), 0)))
        if not waiting:
            return
        yield _outcome(waiting.popleft())


def _outcome(attempt: Attempt) -> Any | FileCdkError:
    while True:
        match attempt.next_event():
            case Ended(schema=schema):
                return schema
            case Failed(error=error):
                return error
