"""The exchange as it was: a recording served over websocket and REST (``bp-replay --serve``)."""
