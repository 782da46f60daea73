"""The recorder end to end: real sockets, real files, real kills; only the far end is scripted."""
