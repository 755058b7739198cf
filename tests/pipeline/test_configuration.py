"""Variables of the environment in a configuration."""

from pathlib import Path

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.pipeline.sourcing.configuration import load_configuration

ENVIRONMENT = {"BUCKET": "shop", "PASSWORD": "0123", "EMPTY": "", "SPECIAL": "a: {b} # c\n- d"}


def loaded(folder: Path, text: str, name: str = "x.yaml") -> object:
    path = folder / name
    path.write_text(text)
    return load_configuration(str(path), name, ENVIRONMENT)["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${BUCKET}", "shop"),
        ("a: '${BUCKET}-${BUCKET}/x'", "shop-shop/x"),
        ("a: ${PASSWORD}", "0123"),
        ("a: ${NOT_SET:-5}", "5"),
        ("a: ${EMPTY}", ""),
        ("a: ${EMPTY:-none}", "none"),
        ("a: ${NOT_SET:-}", ""),
        ("a: ${SPECIAL}", "a: {b} # c\n- d"),
        ("a: $${BUCKET}", "${BUCKET}"),
        ("a: $BUCKET $$ $5", "$BUCKET $$ $5"),
        ("a: [x, '${BUCKET}']", ["x", "shop"]),
        ("b: &one ['${BUCKET}']\na: *one", ["shop"]),
        ("a: {'${BUCKET}': 1}", {"${BUCKET}": 1}),
        ("a: {columns: {salt: '${NOT_SET}'}}", {"columns": {"salt": "${NOT_SET}"}}),
        ('{"a": "${BUCKET}"}', "shop"),
        ("a: 5  # ${NOT_SET}", 5),
    ],
)
def test_values_of_the_environment_are_text(tmp_path: Path, text: str, value: object) -> None:
    assert loaded(tmp_path, text) == value


def test_a_connectors_own_json_stays_as_it_is(tmp_path: Path) -> None:
    assert loaded(tmp_path, '{"a": "${BUCKET}"}', "x.json") == "${BUCKET}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "b: '${PASSWORD}'\na:\n- ${NOT_SET}",
            "x.yaml, line 3: the environment variable NOT_SET is not set. Set it, or",
        ),
        ("a: ${BUCKET", "x.yaml, line 1: `${` is followed by no name"),
        ("a: ${1}", "line 1: `${` is followed by no name"),
        ("a: ${}", "line 1: `${` is followed by no name"),
    ],
)
def test_a_variable_that_is_not_there_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)
    assert "0123" not in str(caught.value)
