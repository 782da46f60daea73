"""Kills and power cuts: what was flushed is there afterwards, once, and no reader saw a half."""
