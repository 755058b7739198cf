"""The verbs, in the data's order: list, plan, run splits in workers, put their output back in order. Knows ports only."""
