"""Postgres as a destination; needs psycopg 3."""

from file_cdk.destinations.postgres.destination import PostgresDestination

__all__ = ["PostgresDestination"]
