"""What is known to be secret, and what it costs to know it."""

import re

import pytest

from file_cdk.declarative.http.secrets import Secrets


def test_tokens_cost_nothing_until_something_is_to_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that wants a login for each request gives thousands."""
    made: list[str] = []
    compiled = re.compile

    def counted(pattern: str) -> re.Pattern[str]:
        made.append(pattern)
        return compiled(pattern)

    monkeypatch.setattr(re, "compile", counted)
    secrets = Secrets()
    for number in range(50):
        secrets.add(f"token-{number:04d}")
    assert [secrets.hidden("token-0007, token-0049, other") for _ in range(2)] == ["****, ****, other"] * 2
    assert len(made) == 1
    secrets.add("other")
    assert secrets.hidden("token-0007, other") == "****, ****"
