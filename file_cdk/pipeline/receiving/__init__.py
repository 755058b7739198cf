"""Messages of a source as columns for a destination's tables: read and decoded by a process beside the one that writes."""
