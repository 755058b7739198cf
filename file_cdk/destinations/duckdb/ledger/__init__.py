"""The ledger: files, rejected records and runs, in tables beside those of the streams."""
