"""How fast the installed commands are, next to bare readers and to other tools: `python -m benchmarks`."""
