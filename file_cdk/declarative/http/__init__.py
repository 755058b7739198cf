"""Requests to an API and their answers: the one place of the room that talks to the network, waits, and looks at the clock."""

from file_cdk.declarative.http.client import Client, Pause, Surroundings
from file_cdk.declarative.http.messages import Answer, Request, Response, Spilled, Unanswered, Verdict
from file_cdk.declarative.http.opening import opened

__all__ = [
    "Answer",
    "Client",
    "Pause",
    "Request",
    "Response",
    "Spilled",
    "Surroundings",
    "Unanswered",
    "Verdict",
    "opened",
]
