"""Floor 2: what a frame means. Handlers, order book, book sync, engine. Pure: no I/O, no clock."""
