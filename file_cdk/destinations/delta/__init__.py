"""Delta tables as destinations: one of each stream, below a folder or a bucket's prefix that has the ledger besides."""

from file_cdk.destinations.delta.destination import DeltaDestination

__all__ = ["DeltaDestination"]
