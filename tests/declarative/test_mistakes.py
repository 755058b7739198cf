"""What lint says of manifests: where, of what, and which name was meant."""

from pathlib import Path

import pytest
from public_manifests import PUBLIC, text_of

from file_cdk.declarative.language.mistakes import Mistake, mistakes
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.language.resolving import resolved
from file_cdk.declarative.language.walking import components

SOUND = """\
version: 1.0.0
type: DeclarativeSource
check:
  type: CheckStream
  stream_names: [users]
definitions:
  requester:
    type: HttpRequester
    url_base: https://api.example.com
    http_method: GET
streams:
  - type: DeclarativeStream
    name: users
    primary_key: id
    retriever:
      type: SimpleRetriever
      requester:
        $ref: "#/definitions/requester"
        path: /users/{{ config['team'] }}
      record_selector:
        type: RecordSelector
        extractor:
          type: DpathExtractor
          field_path: [users]
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestPath}
        pagination_strategy:
          type: CursorPagination
          cursor_value: "{{ response.next }}"
    transformations:
      - type: AddFields
        fields:
          - path: [team]
            value: "{{ config.team }}"
            value_type: string
"""


def told(old: str, new: str) -> list[Mistake]:
    assert SOUND.count(old) == 1
    return mistakes(SOUND.replace(old, new), "m.yaml")


@pytest.mark.parametrize(
    ("parts", "line", "column"),
    [
        ('  a:\n    $ref: "#/definitions/b"\n  b:\n    inner:\n      $ref: "#/definitions/a"\n', 12, 5),
        ('  a:\n    - "#/definitions/b"\n  b: "#/definitions/a"\n', 12, 7),
        ('  a: {x: 1, y: "#/definitions/a"}\n', 11, 13),
    ],
)
def test_a_circle_is_told_where_it_is_closed(parts: str, line: int, column: int) -> None:
    (mistake,) = told("    http_method: GET\n", f"    http_method: GET\n{parts}")
    assert "references go in a circle: #/definitions/" in mistake.message
    assert (mistake.line, mistake.column) == (line, column)


@pytest.mark.parametrize("moment", ["now_utc()", "today_utc()", " generate_uuid( )"])
def test_a_moment_is_a_text_whatever_it_is(moment: str) -> None:
    as_is = "value_type: string\n"
    without = SOUND.replace("            " + as_is, "").replace("{{ config.team }}", f"{{{{ {moment} }}}}")
    assert mistakes(without) == []
    assert len(mistakes(without.replace(moment, "format_datetime(now_utc(), '%Y')"))) == 1


def test_a_sound_manifest_has_none() -> None:
    assert mistakes(SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message", "nearest"),
    [
        (
            "SimpleRetriever",
            "SimpleRetreiver",
            16,
            7,
            "there is no component of the type 'SimpleRetreiver'",
            "SimpleRetriever",
        ),
        (
            "type: CursorPagination",
            "type: Pages",
            29,
            11,
            "there is no component of the type 'Pages': here stands ",
            None,
        ),
        (
            "type: RequestPath",
            "type: DpathExtractor",
            27,
            29,
            "a DpathExtractor cannot stand here, but RequestOption or ",
            None,
        ),
        (
            "cursor_value:",
            "cursor_valeu:",
            28,
            9,
            "CursorPagination has no 'cursor_value', which it must have: a text",
            None,
        ),
        ("http_method: GET", "http_method: GTE", 10, 5, "takes 'GET' or 'POST'; this is 'GTE'", "GET"),
        (
            "field_path: [users]",
            "field_path: users",
            24,
            11,
            "takes a list, of a text each; this is 'users': write it",
            None,
        ),
        ("path: [team]", "path: [1]", 34, 20, "takes a text; this is a whole number: put it in quotes", None),
        ("[users]\ndefinitions", "[{a: 1}]\ndefinitions", 5, 18, "takes a text; this is a mapping", None),
        ("field_path: [users]", "field_path: [users, null]", 24, 31, "takes a text; this is null", None),
        ("version: 1.0.0", "version: 1.0", 1, 1, "takes a text; this is a number: put it in quotes", None),
        (
            "primary_key: id",
            "primary_key: {a: id}",
            14,
            5,
            "takes a text or a list, of a text or a list, of a text",
            None,
        ),
        ("stream_names: [users]", "stream_names: [user]", 5, 18, "there is no stream 'user' to be checked", "users"),
        ("#/definitions/requester", "#/definitions/request", 18, 9, "is to nothing", "#/definitions/requester"),
        ("#/definitions/requester", "shared.yaml#/x", 18, 9, "does not begin with '#/': parts of other files", None),
        ("url_base: https://api.example.com", "ignored: 1", 17, 7, "HttpRequester has no 'url'", None),
    ],
)
def test_errors(old: str, new: str, line: int, column: int, message: str, nearest: str | None) -> None:
    errors = [each for each in told(old, new) if each.severity == "error"]
    assert len(errors) == 1
    (error,) = errors
    assert (error.line, error.column, error.nearest) == (line, column, nearest)
    assert message in error.message


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "nearest"),
    [
        (
            "http_method: GET",
            "http_methods: GET",
            10,
            "HttpRequester has no field 'http_methods', which is passed",
            "http_method",
        ),
        ("value_type: string", "", 35, "the type depends on the value: '12' becomes a number", None),
        ("config['team']", "recrod.team", 19, "the template names 'recrod', which does not exist", "record"),
        ("config['team']", "record.team", 19, "the template names 'record', which does not exist here", None),
        (
            "response.next",
            "stream_slice.next",
            30,
            "the template names 'stream_slice', which does not exist here",
            "stream_slice",
        ),
        ("config.team", "stream_state.team", 35, "is no template that can be evaluated", None),
        ("config.team", "config.team | nothing", 35, "is no template that can be evaluated", None),
    ],
)
def test_surprises(old: str, new: str, line: int, message: str, nearest: str | None) -> None:
    (found,) = told(old, new)
    assert (found.line, message in found.message) == (line, True), found
    assert found.stream == "users"


def test_streams_that_nothing_looks_at() -> None:
    more = "  requester:\n    type: HttpRequester\n"
    other = "  streams:\n    posts: {retriever: {}}\n    notes: {$ref: '#/streams/0'}\n"
    text = SOUND.replace(more, other + more) + '  - {$ref: "#/definitions/streams/notes", name: notes}\n'
    assert [(each.line, each.severity, each.message) for each in mistakes(text)] == [
        (3, "warning", "a check looks at 1 of 2 streams; at 'notes' it does not"),
        (8, "warning", "nothing refers to the stream 'posts' that is defined here"),
    ]


def test_what_parameters_bring_is_told_where_they_are() -> None:
    text = SOUND.replace("    name: users\n", "    $parameters:\n      name: [users]\n")
    (found,) = [each for each in mistakes(text) if "this is a list" in each.message and each.field == "name"]
    assert (found.line, found.column) == (14, 7)


def test_a_shared_part_is_told_of_once() -> None:
    text = SOUND.replace("http_method: GET", "http_method: [GET]")
    text += '  - {$ref: "#/streams/0", name: others}\n'
    errors = [each for each in mistakes(text) if each.severity == "error"]
    assert [(each.line, each.stream, each.field) for each in errors] == [(10, "users", "http_method")]


def test_a_text_that_is_no_yaml() -> None:
    assert mistakes("a: [") == [Mistake(2, 1, "error", "is no YAML: did not find expected node content")]


def test_the_branch_is_that_of_the_type_that_is_written() -> None:
    """Not of another one that would take less."""
    cursor = "      type: DatetimeBasedCursor\n      cursor_field: at\n      start_datetime: '2024-01-01'\n"
    text = SOUND.replace("    primary_key: id\n", f"    primary_key: id\n    incremental_sync:\n{cursor}")
    assert [each.message for each in mistakes(text)] == [
        "DatetimeBasedCursor has no 'datetime_format', which it must have: a text"
    ]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.stem)
def test_public_manifests_have_no_errors(path: Path) -> None:
    assert [each for each in mistakes(text_of(path)) if each.severity == "error"] == []


@pytest.mark.parametrize("path", PUBLIC[::3], ids=lambda path: path.stem)
def test_what_lint_passes_is_decoded(path: Path) -> None:
    """Every component of a manifest: msgspec and the messages of lint read the same annotations."""
    for _, component in components(resolved(text_of(path), path.name)):
        assert type(decoded(component)).__struct_config__.tag == component["type"]


def test_what_is_no_component_is_not_looked_at() -> None:
    """A body may well have a `type`."""
    body = "    request_body_json: {type: DefaultPaginator, page_size_option: 1, a: [{type: DeclarativeStream}]}\n"
    assert mistakes(SOUND.replace("    http_method: GET\n", "    http_method: POST\n" + body)) == []


def test_a_dependency_that_does_nothing() -> None:
    router = """\
      partition_router:
        - type: SubstreamPartitionRouter
          parent_stream_configs:
            - {type: ParentStreamConfig, parent_key: id, partition_field: a, incremental_dependency: true, stream: '#/streams/1'}
"""
    other = SOUND[SOUND.index("  - type: DeclarativeStream") :].replace("name: users", "name: others")
    text = SOUND.replace("      paginator:\n", router + "      paginator:\n") + other
    (found,) = [each for each in mistakes(text) if each.field == "incremental_dependency"]
    assert (found.line, found.severity, found.stream) == (28, "warning", "users")
    assert found.message.startswith("does nothing")
