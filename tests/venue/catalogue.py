"""Market objects and the `/api/v1/markets` body, in the shape of protocol section 6."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Listing:
    """What differs between the market objects of this venue; tick and step are wire texts."""

    symbol: str
    tick: str
    step: str
    state: str = "Open"

    @property
    def market_type(self) -> str:
        """`PERP`, `PREDICTION` or `SPOT`, by the end of the symbol."""
        ends = {"_PERP": "PERP", "_PREDICTION": "PREDICTION"}
        return next((kind for end, kind in ends.items() if self.symbol.endswith(end)), "SPOT")


def _filters(listing: Listing) -> dict[str, Any]:
    price = {
        "borrowEntryFeeMaxMultiplier": None,
        "borrowEntryFeeMinMultiplier": None,
        "discoveryBoundBand": None,
        "maxImpactMultiplier": "1.01",
        "maxMultiplier": "2",
        "maxPrice": "1000000" if listing.market_type == "PERP" else None,
        "maxPriceUpdateMultiplier": "1.0025",
        "meanMarkPriceBand": {"maxMultiplier": "1.04", "minMultiplier": "0.96"},
        "meanPremiumBand": {"tolerancePct": "0.05"},
        "minImpactMultiplier": "0.99",
        "minMultiplier": "0.25",
        "minPrice": listing.tick,
        "minPriceUpdateMultiplier": "0.9975",
        "tickSize": listing.tick,
    }
    quantity = {"maxQuantity": None, "minQuantity": listing.step, "stepSize": listing.step}
    return {"price": price, "quantity": quantity}


def market_object(listing: Listing) -> dict[str, Any]:
    """One market as REST writes it: keys alphabetical, numbers as strings, absent things null."""
    base, _, quote = listing.symbol.partition("_")
    perp = listing.market_type == "PERP"
    margin = {"base": "0.01333333", "factor": "0.00002494", "type": "sqrt"}
    return {
        "baseSymbol": base,
        "createdAt": "2025-01-21T06:34:54.691858",
        "filters": _filters(listing),
        "fundingInterval": 3_600_000 if perp else None,
        "fundingRateLowerBound": "-100" if perp else None,
        "fundingRateUpperBound": "100" if perp else None,
        "imfFunction": margin if perp else None,
        "marketType": listing.market_type,
        "mmfFunction": margin if perp else None,
        "openInterestLimit": "4000" if perp else "0",
        "orderBookState": listing.state,
        "positionLimitWeight": "1" if perp else None,
        "quoteSymbol": quote.partition("_")[0],
        "rwaMarketType": "STOCK" if "." in base else None,
        "symbol": listing.symbol,
        "visible": True,
    }


def markets_body(listings: Iterable[Listing]) -> str:
    """The body of `/api/v1/markets` for these listings."""
    return json.dumps([market_object(listing) for listing in listings], separators=(",", ":"))


def _finest(numbers: list[str]) -> str:
    places = max((len(text.partition(".")[2].rstrip("0")) for text in numbers), default=0)
    return "1" if places == 0 else f"0.{'0' * (places - 1)}1"


def listing_of_body(symbol: str, depth_body: str) -> Listing:
    """Guess tick and step from the finest decimals in a depth body, for captures without a list."""
    book = json.loads(depth_body)
    levels = book["bids"] + book["asks"]
    return Listing(symbol, _finest([level[0] for level in levels]), _finest([x[1] for x in levels]))
