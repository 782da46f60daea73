"""A seeded, realistic Backpack session of about a minute: `simulate(Plan(seed=1))`.

Two markets, SOL_USDC and BTC_USDC_PERP, in the exact wire shape of protocol section 2, plus a
quiet stock. The same plan gives the same bytes on every platform and Python version.
"""

from tests.simulation.session import LISTINGS, Plan, Session, simulate
from tests.venue.feed import TimedFrame

__all__ = ["LISTINGS", "Plan", "Session", "TimedFrame", "simulate"]
