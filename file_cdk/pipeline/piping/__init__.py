"""A source's command run from here: its records into a destination, its states beside them, and on from there the next time."""
