import re
from typing import Any

import pytest

from file_cdk.core.config import CsvConfig, SourceConfig, parse_config, unknown_keys
from file_cdk.core.errors import ConfigError
from file_cdk.core.formats import FILETYPES


def config(**stream: Any) -> dict[str, Any]:
    return {"streams": [{"name": "a", "format": {"filetype": "csv"}, **stream}]}


def test_defaults_are_those_users_rely_on() -> None:
    stream = parse_config(SourceConfig, config()).streams[0]
    assert stream.globs == ["**"]
    assert stream.validation_policy == "Emit Record"
    assert stream.days_to_sync_if_history_is_full == 3
    assert isinstance(stream.format, CsvConfig)
    assert (stream.format.delimiter, stream.format.quote_char, stream.format.escape_char) == (",", '"', None)
    assert stream.format.strings_can_be_null
    assert stream.format.true_values == {"y", "yes", "t", "true", "on", "1"}


def test_a_tab_may_be_written_as_two_characters() -> None:
    stream = parse_config(SourceConfig, config(format={"filetype": "csv", "delimiter": "\\t"})).streams[0]
    assert isinstance(stream.format, CsvConfig)
    assert stream.format.delimiter == "\t"


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "streams"),
        (config(format={"file_type": "csv"}), "streams[0].format: needs a `filetype`, such as csv"),
        (config(format={"filetype": "csv", "delimiter": ""}), "streams[0].format.csv.delimiter"),
        (config(format={"filetype": "csv", "quote_char": ","}), "must differ"),
        (config(format={"filetype": "csv", "encoding": "utf9"}), "encoding"),
        (config(input_schema="{"), "input_schema"),
        (config(input_schema='{"a": "int"}'), "type of column 'a'"),
        (config(schemaless=True, input_schema='{"a": "integer"}'), "schemaless and input_schema exclude each other"),
        (
            config(recent_n_files_to_read_for_schema_discovery=3, use_first_found_file_for_schema_discovery=True),
            "exclude each other",
        ),
        ({**config(), "start_date": "yesterday"}, "start_date"),
        ({"streams": config()["streams"] * 2}, "unique"),
    ],
)
def test_what_is_wrong_is_named(raw: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(SourceConfig, raw)
    assert named in str(caught.value)


def test_values_never_show_in_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(SourceConfig, {"streams": "hunter2", "start_date": {"password": "hunter2"}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00.000000Z"]
)
def test_start_dates_are_utc_instants(text: str) -> None:
    start_at = parse_config(SourceConfig, {**config(), "start_date": text}).start_at
    assert start_at is not None
    assert start_at.isoformat() == "2024-01-01T00:00:00+00:00"


def test_unknown_keys_are_found_at_every_depth() -> None:
    raw = {**config(format={"filetype": "csv", "delimeter": ";"}, glob="*"), "buket": 1}
    assert list(unknown_keys(parse_config(SourceConfig, raw), raw)) == [
        "streams[0].format.delimeter",
        "streams[0].glob",
        "buket",
    ]


def test_the_format_of_another_package_keeps_all_its_keys() -> None:
    raw = config(format={"filetype": "xml", "row": "item"})
    parsed = parse_config(SourceConfig, raw)
    assert parsed.streams[0].format.as_dict() == {"filetype": "xml", "row": "item"}
    assert list(unknown_keys(parsed, raw)) == []


def test_filetypes() -> None:
    assert FILETYPES == ("csv", "jsonl", "parquet", "avro", "excel", "unstructured")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"quote_char": "ab"}, "quote_char: must be one character, or empty for no quotes"),
        ({"comment_char": ""}, "comment_char: must be one character"),
        ({"comment_char": "\n"}, "comment_char: cannot be a line end"),
        ({"comment_char": ","}, "comment_char must differ"),
        ({"comment_char": "#", "delimiter": "#;"}, "comment_char must differ"),
        ({"comment_char": '"'}, "comment_char must differ"),
        ({"skip_initial_space": True, "delimiter": " "}, "no mark can be a blank"),
        ({"decimal_mark": ",", "quote_char": ""}, "decimal_mark and delimiter must differ"),
        ({"decimal_mark": ";"}, "decimal_mark"),
    ],
)
def test_marks_of_csv_that_exclude_each_other(keys: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(fault)):
        parse_config(CsvConfig, keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"quote_char": ""},
        {"comment_char": None},
        {"decimal_mark": ","},
        {"decimal_mark": ",", "quote_char": "", "delimiter": ";", "comment_char": "#", "skip_initial_space": True},
    ],
)
def test_marks_of_csv_that_go_together(keys: dict[str, object]) -> None:
    parsed = parse_config(CsvConfig, keys)
    assert {key: getattr(parsed, key) for key in keys} == keys
