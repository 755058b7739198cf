"""Records of the protocol into a destination's tables, and states back once what they stand for is durable."""
