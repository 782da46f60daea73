"""What people see, whatever a venue calls its markets."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from market.engine import Engine
from recorder.tally import Tally
from recorder.view import View
from schemas.frames import Frame, Kind

NASTY = ("trade.[/x]", "trade.\\u001b[2Jgone", "trade.a\\nb", "trade.\u009b31m", "trade.[red]r")


def heard() -> Tally:
    """Of a venue that says such names."""
    tally = Tally(Engine(), lambda text: None)
    for seq, name in enumerate(NASTY, 1):
        payload = f'{{"data":{{}},"stream":"{name}"}}'.encode()
        tally(Frame(seq, seq, seq, 1, Kind.DATA, "", payload), [])
    return tally


def test_the_table_shows_any_topic_as_text() -> None:
    out = io.StringIO()
    view = View(Console(file=out, force_terminal=True, width=100, height=40, color_system=None))

    async def shown() -> None:
        async with view.showing(heard(), lambda: "alarm of \x1b]0;x"):
            view.notice("listed: \x1b[2J: depth.\x1b[2J subscribed")
            await asyncio.sleep(0.05)

    asyncio.run(shown())
    text = out.getvalue()
    assert "trade.[/x]" in text
    assert r"trade.\x1b[2Jgone" in text
    assert r"trade.a\nb" in text
    assert "trade.[red]r" in text
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "\x9b" not in text


def test_a_notice_is_one_line_without_commands_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    View(Console(file=io.StringIO())).notice("listed: a\x1b[2J\n\u202eb: kept é")
    View(Console(file=io.StringIO())).notice("plain é")
    assert capsys.readouterr().err == "listed: a\\x1b[2J\\n\\u202eb: kept \\xe9\nplain é\n"
