"""An access token that is got from an API and lasts for a while, shared by all threads of a run."""

from collections.abc import Callable
from threading import RLock

import msgspec

from file_cdk.declarative.http.messages import Outcome, Response, Scope, Verdict
from file_cdk.declarative.http.ports import Session


class Token(msgspec.Struct, frozen=True):
    """until_s: when another is to be had, in seconds since 1970."""

    text: str
    until_s: float


class KeptToken(msgspec.Struct):
    """One thread gets a new one while the others wait for it."""

    token: Token | None = None
    lock: RLock = msgspec.field(default_factory=RLock)

    def current(self, session: Session, got: Callable[[], Token]) -> str:
        token = self.token
        if token is None or session.now_s() >= token.until_s:
            with self.lock:
                token = self.token
                if token is None or session.now_s() >= token.until_s:
                    token = self.token = got()
        return token.text

    def renewed(self, refused: str | None, got: Callable[[], Token]) -> None:
        """Another one in place of that which was refused, if that is still the one in use."""
        with self.lock:
            if self.token is None or self.token.text == refused:
                self.token = got()


class TokenHandler(msgspec.Struct, frozen=True):
    """What to do after a request for a token: errors that may pass are waited out, any other is one of the configuration."""

    max_time_s: float = 300.0

    def max_retries(self, scope: Scope) -> int:  # noqa: ARG002 -- as the port has it
        return 8

    def verdict(self, outcome: Outcome, scope: Scope) -> Verdict:  # noqa: ARG002 -- as the port has it
        if not isinstance(outcome, Response):
            return Verdict("FAIL", "config_error") if outcome.is_lasting else Verdict("RETRY", "transient_error")
        if outcome.is_ok:
            return Verdict("SUCCESS")
        if outcome.status in (408, 429) or outcome.status >= 500:
            return Verdict("RETRY", "transient_error", "no token could be had")
        return Verdict("FAIL", "config_error", "the credentials of the configuration get no token: authenticate again")

    def wait_s(self, outcome: Outcome, attempt: int, scope: Scope, now_s: float) -> float | None:  # noqa: ARG002 -- as above
        return None


def found(content: object, name: str, depth: int = 5) -> object:
    """The member of that name, here or further inside, None where there is none."""
    if depth < 0:
        return None
    if isinstance(content, dict):
        if name in content:
            return content[name]
        inner = list(content.values())
    elif isinstance(content, list):
        inner = content
    else:
        return None
    values = (found(each, name, depth - 1) for each in inner)
    return next((value for value in values if value is not None), None)
