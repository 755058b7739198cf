"""Iceberg tables as destinations: one of each stream, in a namespace of a catalog, with the ledger in a folder beside them."""

from file_cdk.destinations.iceberg.destination import IcebergDestination

__all__ = ["IcebergDestination"]
