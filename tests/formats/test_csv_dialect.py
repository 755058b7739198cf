import pytest

from file_cdk.core.config import CsvConfig, parse_config
from file_cdk.core.errors import ConfigError
from file_cdk.formats.csv.dialect import Dialect, Quoting


@pytest.mark.parametrize(
    ("encoding", "line_safe"),
    [
        ("utf8", True),
        ("utf-8-sig", True),
        ("ascii", True),
        ("latin-1", True),
        ("cp1252", True),
        ("koi8_r", True),
        ("utf-16", False),
        ("utf-7", False),
        ("shift_jis", False),
        ("gb18030", False),
        ("iso2022_jp", False),
        ("cp500", False),
        ("cp864", False),
    ],
)
def test_which_encodings_can_be_cut_as_bytes(encoding: str, line_safe: bool) -> None:
    assert Dialect.of(CsvConfig(encoding=encoding)).is_line_safe is line_safe


@pytest.mark.parametrize(
    ("config", "columnar"),
    [
        ({}, True),
        ({"delimiter": "\t", "quote_char": "'"}, True),
        ({"double_quote": False}, True),
        ({"encoding": "latin-1"}, True),
        ({"escape_char": "\\"}, False),
        ({"delimiter": "§"}, True),
        ({"delimiter": "||"}, True),
        ({"quote_char": "“"}, False),
        ({"encoding": "utf-16"}, False),
        ({"quote_char": ""}, True),
        ({"comment_char": "#"}, True),
        ({"skip_initial_space": True}, True),
    ],
)
def test_which_dialects_arrow_reads(config: dict[str, object], columnar: bool) -> None:
    assert Dialect.of(parse_config(CsvConfig, config)).is_columnar is columnar


def test_no_encoding_means_utf_8_and_its_mark_is_none_of_its_own() -> None:
    assert Dialect.of(CsvConfig(encoding=None)) == Dialect.of(CsvConfig(encoding="UTF_8_sig")) == Dialect()


def test_a_codec_that_is_not_of_text_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="encoding 'rot13' is not one of text files"):
        Dialect.of(CsvConfig(encoding="rot13"))


@pytest.mark.parametrize("encoding", ["idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "zlib"])
def test_a_codec_of_names_or_source_code_is_a_config_error(encoding: str) -> None:
    with pytest.raises(ConfigError, match="is not one of text files"):
        Dialect.of(CsvConfig(encoding=encoding))


@pytest.mark.parametrize("marks", [{"quote_char": "'", "delimiter": "','"}, {"escape_char": "|", "delimiter": "||"}])
def test_a_delimiter_with_another_mark_in_it_is_a_config_error(marks: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="delimiter must not contain quote_char or escape_char"):
        Dialect.of(parse_config(CsvConfig, marks))


@pytest.mark.parametrize("delimiter", ["||", "\ufdd0\ufdd1", "\x1f\x1e", "é;", "\U0001f680"])
@pytest.mark.parametrize(
    "value", ["\ufdd0", "\ufdd1\ufdd01", "\x1f", "\x1e", "\x1e" + "0", "\x1e\x1f1", "\x1d\x1c" + "1", "|"]
)
def test_no_value_is_mistaken_for_what_stands_for_a_long_delimiter(delimiter: str, value: str) -> None:
    line = f'{value}x{delimiter}"{value}{delimiter}{value}"{delimiter}\n'
    assert list(Dialect(delimiter=delimiter).reader([line])) == [[value + "x", value + delimiter + value, ""]]


def test_what_stands_for_a_long_delimiter_is_no_other_mark() -> None:
    dialect = Dialect(delimiter="||", quote="\x1f", escape="\x1e")
    assert list(dialect.reader(["\x1fa||b\x1f||\x1e\x1fc||\x1d\n"])) == [["a||b", "\x1fc", "\x1d"]]
    assert dialect.quoting("\x1fa||b\x1f||c\n") == Quoting([True, False], False)


def test_an_escape_character_before_a_long_delimiter_makes_all_of_it_text() -> None:
    dialect = Dialect(delimiter="::", escape="\\")
    assert list(dialect.reader(["a\\::b::c\n"])) == [["a::b", "c"]]
    assert dialect.quoting('a\\::b::"c"\n') == Quoting([False, True], False)


@pytest.mark.parametrize(
    ("record", "quoted", "unclosed", "text_after"),
    [
        ('a,"b",""\r\n', [False, True, True], False, False),
        ('"a""b",c"d",e', [True, False, False], False, False),
        ('"a"b,"c\nd"\n', [True, True], False, True),
        ('"a","c""\nd" "\n', [True, True], False, True),
        ('"a" ,"b"  \r\n', [True, True], False, False),
        ('a,"b""', [False, True], True, False),
        (",,", [False, False, False], False, False),
    ],
)
def test_quoting_of_a_record(record: str, quoted: list[bool], unclosed: bool, text_after: bool) -> None:
    assert Dialect().quoting(record) == Quoting(quoted, unclosed, text_after)


def test_quoting_with_an_escape_character() -> None:
    assert Dialect(escape="\\", double_quote=False).quoting('"a\\"",\\"b\n') == Quoting([True, False], False)


def test_without_quotes_a_quote_is_text() -> None:
    dialect = Dialect.of(CsvConfig(quote_char=""))
    assert list(dialect.reader(['"a,b"\n', '"\n'])) == [['"a', 'b"'], ['"']]
    assert dialect.quoting('"a","b\n') == Quoting([False, False], False)


def test_a_comment_begins_where_a_record_might() -> None:
    dialect = Dialect.of(CsvConfig(comment_char="#"))
    lines = ['# it"s\n', "a,#b\n", '"x\n', '# y"\n', " #z\n", "#\n", "#"]
    assert list(filter(None, dialect.reader(lines))) == [["a", "#b"], ["x\n# y"], [" #z"]]


def test_blanks_before_a_value_are_left_out() -> None:
    dialect = Dialect.of(CsvConfig(skip_initial_space=True))
    assert list(dialect.reader(['  "Smith, J",  x y , "\n'])) == [["Smith, J", "x y ", "\n"]]
    assert dialect.quoting('  "Smith, J",  x y , "\n') == Quoting([True, False, True], True)
