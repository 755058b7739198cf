"""One module per file format: infer a schema from a sample, decode the records of a byte range."""
