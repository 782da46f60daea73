"""What the venue says to a client's text: the grammar is that of the server of recordings."""

from __future__ import annotations

from replay.server.requests import answer, symbol_of

__all__ = ["answer", "symbol_of"]
