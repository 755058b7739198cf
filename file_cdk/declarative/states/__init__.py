"""How far a stream was read, as others write it and read it."""
