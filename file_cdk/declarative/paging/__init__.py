"""Which page comes after another, and how its request says so. Pure."""
