"""Floor 1: the nouns. Frames, wire messages, rows, topics, units, errors. No I/O."""
