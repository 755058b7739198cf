"""The columns that every record gets: which file it came from, and which version of it."""

MODIFIED_COLUMN = "_ab_source_file_last_modified"
URL_COLUMN = "_ab_source_file_url"
METADATA_COLUMNS = (MODIFIED_COLUMN, URL_COLUMN)
