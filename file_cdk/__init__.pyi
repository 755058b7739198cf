"""The public API: what each name is, and the module that defines it. `__init__.py` reads this list."""

from file_cdk.cli.entry import (
    run_connector as run_connector,
    run_destination as run_destination,
    run_manifest as run_manifest,
)
from file_cdk.core.connector import (
    Connector as Connector,
    DestinationConnector as DestinationConnector,
    Location as Location,
    imported as imported,
)
from file_cdk.core.config.fields import (
    Field as Field,
    field_validator as field_validator,
    model_validator as model_validator,
    secret_field as secret_field,
)
from file_cdk.core.config.model import ConfigModel as ConfigModel
from file_cdk.core.config import (
    PluginConfig as PluginConfig,
    SourceConfig as SourceConfig,
    StreamConfig as StreamConfig,
)
from file_cdk.core.state.cursor import renamed_state as renamed_state
from file_cdk.core.errors import (
    AccessError as AccessError,
    ConfigError as ConfigError,
    DestinationError as DestinationError,
    DestinationInUseError as DestinationInUseError,
    FileAccessError as FileAccessError,
    FileCdkError as FileCdkError,
    FileChangedError as FileChangedError,
    FileError as FileError,
    MalformedFileError as MalformedFileError,
    MalformedRecordError as MalformedRecordError,
    SchemaFrozenError as SchemaFrozenError,
    SequentialOnlyError as SequentialOnlyError,
    DeletesRefusedError as DeletesRefusedError,
    TooManyRejectsError as TooManyRejectsError,
    TransientError as TransientError,
    TypeMismatchError as TypeMismatchError,
)
from file_cdk.core.files import RemoteFile as RemoteFile, Split as Split
from file_cdk.core.merge_rule import MergeRule as MergeRule
from file_cdk.core.merging import MergingTable as MergingTable
from file_cdk.core.ports import (
    Destination as Destination,
    Encoder as Encoder,
    FileLoad as FileLoad,
    Format as Format,
    FormatFacts as FormatFacts,
    JsonLines as JsonLines,
    LoadedFile as LoadedFile,
    Reject as Reject,
    RejectedRecord as RejectedRecord,
    Rejects as Rejects,
    SplitReport as SplitReport,
    StreamReader as StreamReader,
    StreamTable as StreamTable,
    TableName as TableName,
)
from file_cdk.core.progress import LoadProgress as LoadProgress, Resumable as Resumable
from file_cdk.core.uris import (
    escape_name as escape_name,
    names_of_segment as names_of_segment,
    redacted as redacted,
    split_member as split_member,
)
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder as ArrowIpcEncoder
from file_cdk.pipeline.inspection import InspectedFile as InspectedFile
from file_cdk.pipeline.library.files import files as files
from file_cdk.pipeline.library.read import read as read
from file_cdk.pipeline.library.reading import Reading as Reading
from file_cdk.pipeline.library.sync import sync as sync
from file_cdk.pipeline.tables.deletes import MaxDeletes as MaxDeletes
from file_cdk.pipeline.rejects import MaxRejects as MaxRejects
from file_cdk.pipeline.tables.report import (
    FileResult as FileResult,
    ResumeObserver as ResumeObserver,
    StreamResult as StreamResult,
    SyncObserver as SyncObserver,
    SyncResult as SyncResult,
)
from file_cdk.pipeline.tables.options import SyncOptions as SyncOptions
from file_cdk.readers.answers import (
    NEXT_SYNC as NEXT_SYNC,
    RangeAnswer as RangeAnswer,
    content_length as content_length,
    content_range as content_range,
    exact_bytes as exact_bytes,
    file_changed as file_changed,
    http_date as http_date,
    plain_etag as plain_etag,
    retry_after_s as retry_after_s,
)
from file_cdk.readers.by_obstore import (
    NotByObstoreError as NotByObstoreError,
    ObstoreBucket as ObstoreBucket,
    ObstoreEndpoint as ObstoreEndpoint,
    ObstoreFirst as ObstoreFirst,
)
from file_cdk.readers.connections import (
    CONNECT_TIMEOUT_S as CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S as READ_TIMEOUT_S,
    connection_fault as connection_fault,
    requests_certificates as requests_certificates,
)
from file_cdk.readers.globbing import GlobPatterns as GlobPatterns
from file_cdk.readers.keys import globs_inside as globs_inside, globs_of_key as globs_of_key
from file_cdk.readers.local import LocalReader as LocalReader
from file_cdk.readers.objects import ObjectReader as ObjectReader, ObjectStore as ObjectStore, Page as Page
from file_cdk.readers.refusals import (
    CHANGED_SINCE_LISTED as CHANGED_SINCE_LISTED,
    TRANSIENT_STATUSES as TRANSIENT_STATUSES,
    Faults as Faults,
    Refusal as Refusal,
    Refusals as Refusals,
    StoreRequest as StoreRequest,
    requests_faults as requests_faults,
)
from file_cdk.readers.retries import RetryPolicy as RetryPolicy
from file_cdk.readers.spooled import SpooledFiles as SpooledFiles
