"""CSV files of which nobody said how they are written: the dialect that each shows, and files read by it."""
