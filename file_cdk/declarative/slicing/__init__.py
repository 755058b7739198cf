"""The parts that a stream is read in: values of lists, records of other streams, and what they have in common."""
