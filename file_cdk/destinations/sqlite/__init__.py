"""SQLite as a destination; needs nothing but Python's own library and pyarrow."""
