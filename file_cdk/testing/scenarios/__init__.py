"""What a source gives for files that a test spells out: files in memory or in a folder, runs of a source in this process, and
what is expected of them."""
