"""Golden tapes: frames with their rows beside them. ``python -m tests.golden.refresh``."""
