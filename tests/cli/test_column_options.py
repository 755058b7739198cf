"""The options of `file-cdk sync` for columns, and what is refused in them."""

import argparse

import pytest

from file_cdk.cli.column_options import add_columns, column_rules, schema_contract
from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.errors import ConfigError


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_columns(parser)
    return parser.parse_args(arguments)


def test_options_make_rules() -> None:
    assert column_rules(parsed()) is None
    assert schema_contract(parsed()) is None
    options = parsed(
        *(
            "--drop",
            "a,b",
            "--drop",
            "c",
            "--cast",
            "d=numeric(10, 2)",
            "--cast",
            "e=BIGINT",
            "--hash",
            "f",
            "--salt",
            "${S}",
        ),
        *(
            "--rename",
            "f=g=h",
            "--optional",
            "A,d",
            "--schema-contract",
            "freeze",
            "--schema-contract",
            "types=discard",
        ),
        *("--schema-contract", "column:x=y=evolve"),
    )
    assert column_rules(options) == ColumnRules(
        drop=["a", "b", "c"],
        cast={"d": "decimal(10,2)", "e": "integer"},
        hash=["f"],
        salt="${S}",
        rename={"f": "g=h"},
        optional=["A", "d"],
    )
    assert schema_contract(options) == SchemaContract(columns="freeze", types="discard", by_column={"x=y": "evolve"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cast", "a"], "not COLUMN=TYPE"),
        (["--cast", "a=money"], "none of the types"),
        (["--cast", "a=decimal(39,2)"], "1 to 38 digits"),
        (["--cast", "a=text", "--cast", "a=json"], "twice"),
        (["--drop", "a", "--hash", "A"], "is to be dropped"),
        (["--select", "a", "--cast", "b=text"], "select leaves out"),
        (["--rename", "a=x", "--rename", "b=X"], "two columns the name"),
        (["--optional", "a"], "no rule"),
        (["--hash", "a", "--salt", "pepper"], r"must be \$\{NAME\}"),
    ],
)
def test_rules_that_cannot_be_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        column_rules(parsed(*arguments))
    assert "pepper" not in str(refused.value)


@pytest.mark.parametrize("contract", ["frozen", "rows=freeze", "columns=no"])
def test_contracts_that_cannot_be_are_refused(contract: str) -> None:
    with pytest.raises(ConfigError):
        schema_contract(parsed("--schema-contract", contract))
