"""``/assets`` and ``/securities``: as they were recorded, or else what is known of them."""

from replay.server.as_of import AsOf
from replay.server.asked import Asked
from replay.server.replies import Reply, as_json, raw_json

ASSETS_PATH = "/api/v1/assets"
SECURITIES_PATH = "/api/v1/securities"


def assets(asked: Asked, at: AsOf) -> Reply:
    """Names alone where the reply was not recorded: no market list says on which chains an asset
    can be paid in and out."""
    body = at.history.said(ASSETS_PATH, at.mark)
    if body is not None:
        return raw_json(body)
    symbols = dict.fromkeys(asset for market in at.markets for asset in market.assets)
    return as_json([_named(symbol) for symbol in symbols])


def securities(asked: Asked, at: AsOf) -> Reply:
    """None where the reply was not recorded. Clients ask for them on their way to the markets (CCXT
    4.5.90 does), and would take "not found" for an exchange that is down."""
    body = at.history.said(SECURITIES_PATH, at.mark)
    return as_json([]) if body is None else raw_json(body)


def _named(symbol: str) -> dict[str, object]:
    return {"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": []}
