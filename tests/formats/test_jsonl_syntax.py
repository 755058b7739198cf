"""Where a JSON value ends or stops being one, which is read from msgspec's messages: these tests hold it to them."""

import pytest

from file_cdk.formats.jsonl.syntax import BracketsEnd, Parsed, State, end_by_brackets, on_one_line, parse_value


@pytest.mark.parametrize(
    ("text", "at_file_end", "parsed"),
    [
        (b"{}", False, Parsed(State.WHOLE, 2)),
        (b"{} \n", False, Parsed(State.WHOLE, 4)),
        (b'{"a":1} \n x', False, Parsed(State.WHOLE, 10)),
        (b'"x",', False, Parsed(State.WHOLE, 3)),
        (b"12", False, Parsed(State.CUT)),
        (b"12", True, Parsed(State.WHOLE, 2)),
        (b"12 ]", False, Parsed(State.WHOLE, 3)),
        (b'{"a":[1,', False, Parsed(State.CUT)),
        (b'{"a":[1,', True, Parsed(State.CUT)),
        (b'{"a":tr', False, Parsed(State.CUT)),
        (b'{"a":-', False, Parsed(State.CUT, 6)),
        (b'{"a":1.', False, Parsed(State.CUT, 7)),
        (b'{"a":1.', True, Parsed(State.FAULTY, 7)),
        (b'{"a":NaN}', False, Parsed(State.FAULTY, 5)),
        (b'{\n{"a":1}', False, Parsed(State.FAULTY, 2)),
        (b'{"a":1\n{"b":1}', False, Parsed(State.FAULTY, 7)),
        (b'{"a":"x\n"}', False, Parsed(State.FAULTY, 7)),
        (rb'{"a":"\ud800"} , 12345', False, Parsed(State.WHOLE, 15, lone_surrogate=True)),
        (rb'{"a":"\ud800x"}', True, Parsed(State.WHOLE, 15, lone_surrogate=True)),
        (rb'{"a":"\ud83d\ude00"}', True, Parsed(State.WHOLE, 20)),
        (b'{"a":' + b"[" * 5000, False, Parsed(State.TOO_DEEP)),
    ],
)
def test_what_a_text_begins_with(text: bytes, at_file_end: bool, parsed: Parsed) -> None:
    found = parse_value(memoryview(text), at_file_end=at_file_end)
    if parsed.state is State.CUT:
        assert found.state is State.CUT
    else:
        assert found == parsed


@pytest.mark.parametrize(
    ("text", "end", "by_next"),
    [
        (b'{"a":NaN} x', 9, False),
        (b'{"}\\"}":{"b":[}]}} x', 17, False),
        (b'{"a":[\n{"b":1},\n{"c":\n{"d":N}}]} x', 32, False),
        (b'{"a":1,\n{"b":1}}', 8, True),
        (b'{"a":1\n\n {"b":1}}', 7, True),
        (b'{"a":[1\n{"b":1}]}', 8, True),
        (b'{"a":"x\n{"b":1}', 8, True),
    ],
)
def test_where_the_brackets_say_that_a_faulty_value_ends(text: bytes, end: int, by_next: bool) -> None:
    assert end_by_brackets(b"\n" + text, 1, of_lines=True) == BracketsEnd(end + 1, by_next)


def test_brackets_that_do_not_end() -> None:
    assert end_by_brackets(b'{"a":[}', 0, of_lines=True) is None
    assert end_by_brackets(b'{"a":"}', 0, of_lines=True) is None
    assert end_by_brackets(b'{"a":1,\n{"b":1}', 0, of_lines=False) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{ "a" :\r\n\t 1.0 ,\r"b" : "\\n x"\n\n}', b'{ "a" :1.0 ,"b" : "\\n x"}'),
    ],
)
def test_line_ends_and_indents_are_left_out(text: bytes, line: bytes) -> None:
    assert on_one_line(text) == line
