"""Folders of data files as destinations."""

from file_cdk.destinations.files.destination import FilesDestination

__all__ = ["FilesDestination"]
