"""Syncs into the tables of a destination, and what its ledger is asked and told besides."""
