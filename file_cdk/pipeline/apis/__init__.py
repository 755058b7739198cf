"""What the commands of a source are of a manifest: its specification, its check, its catalog, its records."""
