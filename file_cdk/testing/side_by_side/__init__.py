"""Two programs that run the same manifest against the same mirror: what each printed and asked for, and where they differ."""
