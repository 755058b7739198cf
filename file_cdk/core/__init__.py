"""The nouns and ports every room shares: files, splits, configuration, schemas, cursor state, errors. Imports no other room."""
