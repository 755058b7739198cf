"""What is known to be secret, and what it costs to know it."""

import re

import pytest

from file_cdk.declarative.http.secrets import Secrets


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_secret_that_goes_over_two_pieces_is_hidden(size: int) -> None:
    secrets = Secrets(["secret", "secrets-and-more", "é-word"])
    text = "a secret, secrets-and-mor, secrets-and-moresecrets é-wordé-wor".encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(secrets.hidden_pieces(pieces)) == secrets.hidden_bytes(text)
    assert list(Secrets().hidden_pieces(pieces)) == pieces


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
