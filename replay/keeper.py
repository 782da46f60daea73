"""``bp-tape`` with the engine that sealing and repair feed: `tape` knows none."""

from market.engine import Engine
from tape.cli import cli


def main() -> None:
    """Entry point of ``bp-tape``."""
    cli(obj=Engine)
