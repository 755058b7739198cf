"""What SOURCE comes to besides what its name says: a configuration's text, and the tables of a source of several formats."""
