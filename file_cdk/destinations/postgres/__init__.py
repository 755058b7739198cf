"""Postgres as a destination; needs psycopg 3."""
