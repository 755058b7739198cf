"""What an answer means by the manifest: a success, to be ignored, to be asked for again and after which wait, a failure. Pure."""

from file_cdk.declarative.answers.handler import ErrorHandler, compiled

__all__ = ["ErrorHandler", "compiled"]
