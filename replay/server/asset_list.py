"""``/assets``: as it was recorded, or else what the market list says of it."""

from replay.server.as_of import AsOf
from replay.server.asked import Asked
from replay.server.replies import Reply, as_json, raw_json

PATH = "/api/v1/assets"


def assets(asked: Asked, at: AsOf) -> Reply:
    """Names alone where the reply was not recorded: no market list says on which chains an asset
    can be paid in and out."""
    body = at.history.said(PATH, at.mark)
    if body is not None:
        return raw_json(body)
    symbols = dict.fromkeys(asset for market in at.markets for asset in market.assets)
    return as_json([_named(symbol) for symbol in symbols])


def _named(symbol: str) -> dict[str, object]:
    return {"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": []}
