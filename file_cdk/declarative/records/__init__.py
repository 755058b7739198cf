"""The records of an answer: their bytes as the API sent them, or, where a stream asks for it, changed ones. Pure."""
