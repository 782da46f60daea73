"""Floor 3, the historical door: tape in, events out."""

from replay.replay import Replay

__all__ = ["Replay"]
