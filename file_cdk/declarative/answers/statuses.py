"""What an outcome means where the manifest does not say."""

from file_cdk.core.errors import FailureType
from file_cdk.declarative.http.messages import Action, Outcome, Unanswered, Verdict

_FORBIDDEN = "the credentials are not accepted, or may not see this"
_BY_STATUS: dict[int, Verdict] = {
    400: Verdict("FAIL", "system_error"),
    401: Verdict("FAIL", "config_error", _FORBIDDEN),
    403: Verdict("FAIL", "config_error", _FORBIDDEN),
    404: Verdict("FAIL", "system_error", "there is no such address"),
    405: Verdict("FAIL", "system_error"),
    408: Verdict("RETRY", "transient_error"),
    429: Verdict("RATE_LIMITED", "transient_error", "too many requests"),
    500: Verdict("RETRY", "transient_error"),
    502: Verdict("RETRY", "transient_error"),
    503: Verdict("RETRY", "transient_error"),
    504: Verdict("RETRY", "transient_error"),
}
_SUCCESS = Verdict("SUCCESS")
_OTHER = Verdict("RETRY", "system_error")
_PASSING = Verdict("RETRY", "transient_error")
_LASTING = Verdict("FAIL", "config_error")


def by_status(outcome: Outcome) -> Verdict:
    if isinstance(outcome, Unanswered):
        return _LASTING if outcome.is_lasting else _PASSING
    return _SUCCESS if outcome.is_ok else _BY_STATUS.get(outcome.status, _OTHER)


def filtered(status: int, action: Action, failure_type: FailureType | None, message: str | None) -> Verdict:
    """What a filter says of this status; what it leaves open is as without it."""
    usual = _BY_STATUS.get(status)
    if failure_type is None or action != "FAIL":
        failure_type = usual.failure_type if usual else "system_error"
    return Verdict(action, failure_type, message or (usual.message if usual else None))
