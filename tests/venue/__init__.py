"""An honest local imitation of the exchange over real sockets; see `server.Venue`."""

from tests.venue.accounts import Accounts, VenueClock
from tests.venue.feed import Feed, TimedFrame, load_real, load_sample, of_session
from tests.venue.instance import Instance
from tests.venue.link import Link, Sent
from tests.venue.options import Options, Received
from tests.venue.rest import DOOR, Fault, Faults
from tests.venue.script import (
    Close,
    Cut,
    Do,
    Lose,
    Ping,
    Play,
    Send,
    Stall,
    Step,
    Wait,
    WaitRequest,
    WaitSubscribed,
    WaitUnsubscribed,
)
from tests.venue.server import Venue
from tests.venue.shadow_book import ShadowBook

__all__ = [
    "DOOR",
    "Accounts",
    "Close",
    "Cut",
    "Do",
    "Fault",
    "Faults",
    "Feed",
    "Instance",
    "Link",
    "Lose",
    "Options",
    "Ping",
    "Play",
    "Received",
    "Send",
    "Sent",
    "ShadowBook",
    "Stall",
    "Step",
    "TimedFrame",
    "Venue",
    "VenueClock",
    "Wait",
    "WaitRequest",
    "WaitSubscribed",
    "WaitUnsubscribed",
    "load_real",
    "load_sample",
    "of_session",
]
