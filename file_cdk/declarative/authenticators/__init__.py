"""How requests show who sends them. Authenticators are frozen and pickle; the session of a client keeps their tokens."""

from file_cdk.declarative.authenticators.compiling import compiled
from file_cdk.declarative.authenticators.sessions import Login

__all__ = ["Login", "compiled"]
