"""Floor 3: the live door. Sockets in, journal out."""

from recorder.keys import KeyPair
from recorder.live import Live

__all__ = ["KeyPair", "Live"]
