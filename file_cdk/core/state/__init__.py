"""The incremental state of the protocol: which files are synced, within its history and beyond."""
