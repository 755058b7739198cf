"""From where to where a stream is read, which of its records are too old, and how far they went."""
