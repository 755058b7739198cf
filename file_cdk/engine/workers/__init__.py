"""Worker processes: the pool that gives them work, the server that they are forked from, and what they do."""
