"""A seeded simulator of two markets; the door is `tests.simulate`."""
