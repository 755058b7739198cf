"""YAML as manifests have it: what it is read as, where things stand, and what is refused."""

import pytest
import yaml

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.reading import MAX_DEPTH, read


def refusal(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read(text, "m.yaml")
    return caught.value


def test_values_of_yaml_1_1() -> None:
    text = "a: yes\nb: 010\nc: 1_000\nd: 1:30\ne: 0x1F\nf: 1e5\ng: ~\nh: '007'\ni: 12.50\nj: !!str 5\nk: =x\nl: NO\n"
    expected = yaml.safe_load(text)
    assert read(text, "m.yaml").value == expected
    assert expected["b"] == 8
    assert expected["f"] == "1e5"


def test_dates_stay_texts() -> None:
    assert read("a: 2024-01-31\nb: 2024-01-31T00:00:00Z", "m.yaml").value == {
        "a": "2024-01-31",
        "b": "2024-01-31T00:00:00Z",
    }


def test_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: *a, y: 5}\nd: {<<: [*a, *b]}\nf: {q: 0, <<: *b}\n"
    assert read(text, "m.yaml").value == yaml.safe_load(text)


def test_what_is_written_twice_is_told() -> None:
    document = read("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n", "m.yaml", with_places=True)
    assert document.value == {"a": 3, "b": {"c": 2}}
    assert [(remark.place, remark.message) for remark in document.remarks] == [
        ((3, 3), "the key 'c' stands twice in one mapping (line 2): only this one counts"),
        ((4, 1), "the key 'a' stands twice in one mapping (line 1): only this one counts"),
    ]


def test_keys_that_are_no_texts() -> None:
    document = read("200: a\non: b\n~: c\n1.5: d\n", "m.yaml")
    assert document.value == {"200": "a", "on": "b", "~": "c", "1.5": "d"}
    assert [remark.place for remark in document.remarks] == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_places() -> None:
    document = read("a:\n  - b: 1\n    c: [x,\n      y]\n", "m.yaml", with_places=True)
    items = document.value["a"]
    assert document.places[id(document.value)] == {"a": (1, 1)}
    assert document.places[id(items)] == {0: (2, 5)}
    assert document.places[id(items[0])] == {"b": (2, 5), "c": (3, 5)}
    assert document.places[id(items[0]["c"])] == {0: (3, 9), 1: (4, 7)}


def test_anchors_of_keys() -> None:
    text = "&a x: 1\ny: *a\n"
    assert read(text, "m.yaml").value == yaml.safe_load(text) == {"x": 1, "y": "x"}


def test_aliases_share() -> None:
    document = read("a: &a [1]\nb: *a\n", "m.yaml")
    assert document.value["a"] is document.value["b"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no mapping"),
        ("- a", "is no mapping"),
        ("a: 1\n---\nb: 2", "is several documents"),
        ("a: 'x", "is no YAML: found unexpected end of stream"),
        ("a: \x01", "is no YAML"),
        ("a: !!python/object/apply:os.system [ls]", "the tag '!!python/object/apply:os.system' is not taken"),
        ("a: !!binary aGk=", "the tag '!!binary' is not taken"),
        ("a: !!set {b}", "the tag '!!set' is not taken"),
        ("a: .inf", "'.inf' is no number of JSON"),
        ("a: !!int x", "'x' is tagged as a number, and is none"),
        ("a: " + "9" * 5000, "has more than 1,000 digits"),
        ("a: 0x" + "f" * 5000, "has more than 1,000 digits"),
        ("a: 1" + ":1" * 100_000, "has more than 1,000 digits"),
        ("a: 1" + ":1" * 400 + ".5", "is tagged as a number, and is none that is taken"),
        ("a: !!int ''", "'' is tagged as a number, and is none that is taken"),
        ("a: !!bool x", "'x' is tagged as a truth, and is none"),
        ("? [a]\n: 1", "a mapping or a list cannot be a key"),
        ("a: *b", "the alias *b names nothing above it"),
        ("a: &a [*a]", "the alias *a stands within what it repeats"),
        ("a: {<<: 1}", "`<<` takes a mapping"),
        ("[" * 200_000, "is no YAML"),
        ("a: " + "[" * (MAX_DEPTH + 1), "is nested more than"),
        ("".join(" " * depth + "a:\n" for depth in range(MAX_DEPTH + 2)), "is nested more than"),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)), "is nested more than"),
        ("a: '" + "x" * (17 << 20) + "'", "is larger than 16 MiB"),
    ],
)
def test_refused(text: str, told: str) -> None:
    assert told in str(refusal(text))


def test_a_bomb_of_aliases() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    error = refusal("\n".join(lines))
    assert "stands for more than 1,000,000 values" in error.message
    assert error.line == 6
    assert str(error).endswith("(file 'm.yaml', line 6, column 55)")
