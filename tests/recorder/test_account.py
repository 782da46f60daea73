"""The streams of an account, against a venue that checks every signature over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from market.engine import Engine
from recorder import KeyPair, Live
from recorder.accounts import Accounts as OurAccounts
from recorder.connection import dial
from recorder.intake import Intake
from recorder.keys import KeyFile
from recorder.settings import Patience, Settings
from recorder.stamp import Clock, Stamp, now
from recorder.status import status
from recorder.subscribed import Subscribed
from recorder.summary import exit_code, print_summary
from schemas.account_rows import Balance
from schemas.frames import Kind
from tests.effort import examples
from tests.recorder import plain
from tests.recorder.market import SNAPSHOTS, SOL, TRADES, envelope, trade
from tests.recorder.pairs import ALICE, BOB, replace, shown
from tests.recorder.runs import Played, Run, Scene, play, running
from tests.venue import Accounts, Cut, Do, Options, Send, Step, Venue, WaitSubscribed

ORDERS, POSITIONS = "account.orderUpdate", "account.positionUpdate"
BALANCES, RFQS = "account.balanceUpdate", "account.rfqUpdate"
ALL = [ORDERS, POSITIONS, BALANCES, RFQS]
QUICK = Patience(refused=0.02)
DENIED = '{"id":null,"error":{"code":4003,"message":"Invalid signature"}}'
LOSSES = 3


def balance(number: int) -> str:
    """An account frame."""
    data = {"A": str(number), "E": 1788368290063168, "L": "20", "S": "0", "T": 1788368290062981}
    return envelope(BALANCES, {**data, "a": "USDT", "e": "balanceUpdate"})


class Scenery(NamedTuple):
    """What is left of a scene. journal: its frames before it was sealed."""

    run: Run
    venue: Venue
    accounts: Accounts
    journal: list[list[Any]]

    def seen(self, topic: str) -> list[list[str]]:
        """The signatures that came for a topic, in order."""
        return [signature for name, signature in self.accounts.seen if name == topic]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All that the recorder has sent, in order."""
        return [json.loads(received.frame) for received in self.venue.received]


def scene(*script: Step, topics: tuple[str, ...], ahead_ms: int = 0) -> Scene[Scenery]:
    """Alice's account: recorded with her key file to the end of the script."""

    async def played(folder: Path) -> Scenery:
        folder.mkdir(parents=True)
        keys = KeyFile(ALICE.write(key_file(folder)))
        accounts = Accounts([ALICE.key])
        options = Options(accounts=accounts, clock_ahead_ms=ahead_ms)
        far_end = Venue(script, snapshots=SNAPSHOTS, options=options)
        recording = running(far_end, folder, *topics, keys=keys, patience=QUICK)
        async with far_end, recording as run:
            RUNS[folder.name] = run
            await far_end.finished()
            await run.heard(len({sent.frame for sent in far_end.sent} - {DENIED}))
            await run.until(lambda: not run.recorder.intake.memory.held)
            (path,) = (folder / "journal").glob("*.zst")
            journal, _ = plain.journal(path)
        return Scenery(run, far_end, accounts, journal)

    return played


RUNS: dict[str, Run] = {}
TROUBLE: list[str] = []


async def look(_: Venue) -> None:
    """What the recorder of the scene "one" says when it is asked for its status."""
    TROUBLE.append((await status(RUNS["one"].recorder)).trouble)


def key_file(folder: Path) -> Path:
    """Of a scene: beside its recording."""
    return folder.parent / f"{folder.name}.toml"


def says(name: str, *texts: str, times: int = 1) -> Do:
    """Wait until people were told all this in one line, so often."""

    async def wait(_: Venue) -> None:
        def told() -> bool:
            lines = [line for line in run.notices if all(text in line for text in texts)]
            return len(lines) >= times

        run = RUNS[name]
        await run.until(told)

    return Do(wait)


def asked(topic: str, times: int) -> Do:
    """Wait until a topic was asked for so often."""

    def enough(venue: Venue) -> Callable[[], bool]:
        accounts = venue.options.accounts
        assert accounts is not None
        return lambda: [name for name, _ in accounts.seen].count(topic) >= times

    return Do(lambda venue: venue.until(enough(venue)))


def accept(*keys: str, refuse: tuple[str, ...] = ()) -> Do:
    """From now on the venue knows these keys, and lets nobody hear these topics."""

    def change(venue: Venue) -> None:
        accounts = venue.options.accounts
        assert accounts is not None
        accounts.keys, accounts.refuses = set(keys), set(refuse)

    return Do(change)


def write(root: Path, name: str, text: str) -> Do:
    """Replace the key file of a scene."""
    return Do(lambda _: (replace(root / f"{name}.toml", text), None)[1])


def set_clock(ahead_ms: int) -> Do:
    """Set the clock of the venue."""
    return Do(lambda venue: setattr(venue.clock, "ahead_ms", ahead_ms))


def joined(*topics: str) -> list[Step]:
    """Wait for all of these."""
    return [WaitSubscribed(topic) for topic in topics]


def scenes(root: Path) -> dict[str, Scene[Scenery]]:
    """All of them: each with the name of its folder."""
    return {
        "whole": scene(
            *[*joined(SOL, BALANCES, ORDERS), Send(balance(1)), Cut()],
            *[*joined(SOL, BALANCES, ORDERS), Send(balance(2))],
            topics=(ORDERS, SOL, BALANCES),
        ),
        "one": scene(
            *[accept(ALICE.key, refuse=(POSITIONS,)), *joined(SOL, ORDERS, BALANCES, RFQS)],
            *[asked(POSITIONS, 4), Send(balance(3)), says("one", POSITIONS, times=4)],
            Do(look),
            topics=("account.*", SOL),
        ),
        "keys": scene(
            *[*joined(BALANCES), accept(BOB.key), Cut(), says("keys", BALANCES, "revoked")],
            *[write(root, "keys", "no keys"), says("keys", BALANCES, "is no TOML", times=2)],
            *[write(root, "keys", BOB.toml()), *joined(BALANCES), Send(balance(4))],
            says("keys", f"{BALANCES} was not refused this"),
            topics=(BALANCES,),
        ),
        "behind": scene(
            *[says("behind", BALANCES, "72.4 s behind the venue's, beyond the 5 s", "chrony")],
            *[set_clock(0), *joined(BALANCES), Send(balance(5))],
            topics=(BALANCES,),
            ahead_ms=72_400,
        ),
        "ahead": scene(
            *[says("ahead", BALANCES, "6.2 s ahead of the venue's, beyond the 5 s")],
            *[set_clock(4_000), *joined(BALANCES), Send(balance(6))],
            topics=(BALANCES,),
            ahead_ms=-6_200,
        ),
    }


class Log(logging.Handler):
    """Keeps all that anybody logs, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.setdefault(record.name, []).append(self.format(record))


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """The root logger at DEBUG, and so whatever does not say otherwise; frames in full."""
    found, root = Log(), logging.getLogger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("websockets.frames.Frame.MAX_LOG_SIZE", 100_000)
        patch.setattr(root, "level", root.level)
        for name in ("", "websockets", "websockets.client", "websockets.server"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        root.addHandler(found)
        yield found
        root.removeHandler(found)
        for name in ("websockets", "websockets.client", "websockets.server"):
            logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, log: Log) -> Played[Scenery]:
    """All scenes at once."""
    root = tmp_path_factory.mktemp("account")
    return play(root, scenes(root))


NAMES = ["whole", "one", "keys", "behind", "ahead"]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_heard_is_recorded_and_certified(played: Played[Scenery], name: str) -> None:
    """Rows of an account as of a market, whatever was refused meanwhile."""
    scenery, folder = played.outcome(name), played.folder(name)
    assert {m["verdict"] for m in plain.manifests(folder)} == {"certified"}
    sent = {s.frame for s in scenery.venue.sent if '"balanceUpdate"' in str(s.frame)}
    assert {payload.decode() for payload in plain.payloads(folder)} - {DENIED} == sent
    assert len(plain.table(folder, "balance")) == len(sent) > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_two_signatures_are_the_same(played: Played[Scenery], name: str) -> None:
    """Each topic by itself, each time anew, within the window; after a reconnect too."""
    scenery = played.outcome(name)
    signed = [request for request in scenery.requests if "signature" in request]
    assert len({request["signature"][1] for request in signed}) == len(signed) >= 2
    assert all(len(request["params"]) == 1 for request in signed)
    assert {request["signature"][3] for request in signed} == {"5000"}
    times = [int(request["signature"][2]) for request in signed]
    assert all(a < b for a, b in pairwise(times))


def test_private_topics_come_after_the_public_ones(played: Played[Scenery]) -> None:
    """On each connection."""
    scenery = played.outcome("whole")
    assert [request["params"] for request in scenery.requests] == [[SOL], [ORDERS], [BALANCES]] * 2
    assert scenery.run.recorder.account.refused == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_tape_has_each_request_without_key_and_signature(
    played: Played[Scenery], name: str
) -> None:
    """All else is as it was sent, in that order."""
    scenery, folder = played.outcome(name), played.folder(name)
    expected = []
    for request in scenery.requests:
        if "signature" in request:
            request["signature"][:2] = ["redacted", "redacted"]
        expected.append(json.dumps(request, separators=(",", ":")).encode())
    assert plain.payloads(folder, "sent") == expected
    everything = repr(plain.frames(folder)) + repr(plain.table(folder, "session"))
    assert not shown(everything, *secrets(scenery))


def secrets(scenery: Scenery) -> list[str]:
    """All that nobody may see."""
    signatures = [signature[1] for _, signature in scenery.accounts.seen]
    return [*ALICE, *BOB, *signatures]


def test_no_log_and_no_notice_has_them(played: Played[Scenery], log: Log) -> None:
    """Not at DEBUG, where the venue's own log, of the same library, shows every signature."""
    for name in NAMES:
        scenery = played.outcome(name)
        assert not shown("\n".join(scenery.run.notices), *secrets(scenery))
        ours = "\n".join(
            line for who in log.lines if "server" not in who for line in log.lines[who]
        )
        assert not shown(ours, *secrets(scenery))
        assert shown("\n".join(log.lines["websockets.server"]), *secrets(scenery)[4:])


@pytest.mark.parametrize("name", NAMES)
def test_the_journal_is_redacted_from_the_start(played: Played[Scenery], name: str) -> None:
    """Not only what is sealed: the open journal is on disk within 50 ms. One topic or another may
    have been asked for since it was looked at."""
    scenery = played.outcome(name)
    sent = [json.loads(frame[-1]) for frame in scenery.journal if frame[4] == "sent"]
    signed = [request["signature"] for request in sent if "signature" in request]
    assert signed
    seen = [signature[2:] for _, signature in scenery.accounts.seen]
    assert [signature[2:] for signature in signed] == seen[: len(signed)]
    assert {tuple(signature[:2]) for signature in signed} == {("redacted", "redacted")}
    assert not shown(repr(scenery.journal), *secrets(scenery))


def test_one_topic_that_is_refused_costs_only_itself(played: Played[Scenery]) -> None:
    """It is named, with why, and tried again after longer and longer."""
    scenery = played.outcome("one")
    run = scenery.run
    assert all(len(scenery.seen(topic)) == 1 for topic in ALL if topic != POSITIONS)
    said = [line for line in run.notices if line.startswith(POSITIONS)]
    assert all(
        f"{POSITIONS} was refused (4003 Invalid signature): the key" in line for line in said
    )
    assert all("unknown or revoked, or lack the permission" in line for line in said)
    delays = [line.rpartition("again in ")[2] for line in said[:4]]
    assert delays == ["0.02 s", "0.04 s", "0.08 s", "0.16 s"]
    assert not [line for line in run.notices if line.split()[0] in {*ALL} - {POSITIONS}]


def test_who_asks_is_told_what_is_refused(played: Played[Scenery]) -> None:
    """By bp-record ctl status too, not only those who saw the line."""
    assert played.outcome("one").run.recorder.account.refused
    (trouble,) = TROUBLE
    assert trouble.startswith(f"{POSITIONS} was refused (4003 Invalid signature): ")


def test_what_is_refused_to_the_end_is_in_the_summary(
    played: Played[Scenery], capsys: pytest.CaptureFixture[str]
) -> None:
    """And in the exit code."""
    recorder = played.outcome("one").run.recorder
    print_summary(Console(), recorder)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "refused to" in line]
    assert line.startswith(f"refused to the end\t{POSITIONS}\trefused (4003 Invalid signature): ")
    assert exit_code(recorder) == LOSSES
    recorder.tally.errors = 0  # though the venue had not said a word
    assert exit_code(recorder) == LOSSES


def test_a_key_file_that_is_replaced_needs_no_restart(played: Played[Scenery]) -> None:
    """One that has become bad is told, and read again."""
    scenery = played.outcome("keys")
    keys = [signature[0] for signature in scenery.seen(BALANCES)]
    assert keys[0] == keys[1] == ALICE.key
    assert keys[-1] == BOB.key
    assert scenery.run.recorder.account.refused == {}
    assert len(scenery.venue.connections) == 2


class Hand:
    """Subscriptions on connections to a venue, without the rest of a recorder.

    told: what people were told. clocks: set while they can be compared; comparing: somebody has
        asked for that.
    """

    def __init__(self, far_end: Venue, *topics: str, clock: Clock = now) -> None:
        wish = Settings(topics, None, keys=KeyPair(*ALICE), patience=QUICK)
        self.told: list[str] = []
        self.comparing = False
        self.clocks = asyncio.Event()
        self.clocks.set()
        self._intake = Intake(lambda request: None, clock=clock)
        accounts = OurAccounts(wish, self._intake, self.told.append)
        self.subscriptions = Subscribed(topics, self._intake, accounts)
        self._one = self.subscriptions.join()
        self._url = far_end.ws_url
        self._conn = 0
        self._work = asyncio.create_task(self._one.run(self._behind))

    @property
    def engine(self) -> Engine:
        """Which knows what is on the tape."""
        return self._intake.engine

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that must come true."""
        while not true():
            await asyncio.sleep(0.002)

    async def _behind(self) -> None:
        self.comparing = True
        await self.clocks.wait()

    async def connect(self) -> None:
        """Connect, and hand the connection over."""
        self._conn += 1
        self._connection = await dial(self._url, self._message, QUICK, now)
        await self._one.begin(self._connection, self._conn)

    async def disconnect(self) -> None:
        """End the connection."""
        self._one.end()
        await self._connection.close()

    async def end(self) -> None:
        """For good; raises what its work failed with."""
        self._work.cancel()
        await self.disconnect()
        self._one.close()
        await asyncio.wait([self._work])
        assert self._work.cancelled()

    def _message(self, kind: Kind, payload: bytes, stamp: Stamp) -> None:
        self._intake.take(kind, payload, conn=self._conn, stamp=stamp)


def by_hand(
    act: Callable[[Venue, Hand], Coroutine[Any, Any, None]], *topics: str, clock: Clock = now
) -> tuple[Venue, Accounts]:
    """Do something with subscriptions; within a minute."""
    accounts = Accounts([ALICE.key])

    async def scene() -> Venue:
        far_end = Venue(options=Options(accounts=accounts))
        async with asyncio.timeout(60), far_end:
            hand = Hand(far_end, *topics, clock=clock)
            await hand.connect()
            await act(far_end, hand)
            await hand.end()
        return far_end

    return asyncio.run(scene()), accounts


async def hears(far_end: Venue, *topics: str) -> None:
    """Wait until the newest connection is subscribed to these and no others."""

    def as_wanted() -> bool:
        link = far_end.connections[-1]
        return link.hears() and link.topics == set(topics)

    await far_end.until(as_wanted)


def test_topics_come_and_go_while_connected() -> None:
    """Both ways signed; what changes its mind on the way ends as it was wanted last."""

    async def act(far_end: Venue, hand: Hand) -> None:
        await hears(far_end, BALANCES)
        assert await hand.subscriptions.add([ORDERS, TRADES, BALANCES]) == [ORDERS, TRADES]
        await hears(far_end, BALANCES, ORDERS, TRADES)
        assert await hand.subscriptions.remove([BALANCES, TRADES, RFQS]) == [BALANCES, TRADES]
        await hears(far_end, ORDERS)
        for _ in range(3):
            await hand.subscriptions.add([RFQS])
            await hand.subscriptions.remove([RFQS])
        await hand.subscriptions.add([POSITIONS])
        await hears(far_end, ORDERS, POSITIONS)
        assert hand.subscriptions.topics == (ORDERS, POSITIONS)
        assert hand.told == []

    far_end, accounts = by_hand(act, BALANCES)
    signatures = [signature[1] for _, signature in accounts.seen]
    assert len(set(signatures)) == len(signatures) >= 4
    left = [json.loads(text.frame) for text in far_end.received if "UNSUB" in str(text.frame)]
    assert {"signature" in request for request in left if request["params"] != [TRADES]} == {True}


def test_what_is_silent_may_be_asked_for_again() -> None:
    """Of what was asked for, the public topics."""

    async def act(far_end: Venue, hand: Hand) -> None:
        await hears(far_end, TRADES, BALANCES)
        await hand.subscriptions.again([SOL, TRADES, BALANCES])
        await far_end.until(lambda: len(far_end.received) >= 3)

    far_end, _ = by_hand(act, TRADES, BALANCES)
    first, _, again = (text.frame for text in far_end.received)
    assert first == again


def test_requests_of_one_millisecond_have_signatures_of_their_own() -> None:
    """Though the clock stands still: the same text would have the same signature."""
    stopped = now()

    async def act(far_end: Venue, hand: Hand) -> None:
        await hears(far_end, *ALL)

    _, accounts = by_hand(act, *ALL, clock=lambda: stopped)
    began = stopped.ts_recv // 1_000_000
    times = [int(signature[2]) for _, signature in accounts.seen]
    assert times == [began, began + 1, began + 2, began + 3]


def test_a_clock_that_is_set_back_is_followed() -> None:
    """Rather than to go on from a time that was wrong."""
    stamps = [now(), now()]
    stamps[0] = stamps[0]._replace(ts_recv=stamps[0].ts_recv + 10**12)

    async def act(far_end: Venue, hand: Hand) -> None:
        accounts = far_end.options.accounts
        assert accounts is not None
        await far_end.until(lambda: bool(accounts.seen))
        del stamps[0]
        await hears(far_end, ORDERS)

    _, accounts = by_hand(act, ORDERS, clock=lambda: stamps[0])
    assert int(accounts.seen[-1][1][2]) == stamps[0].ts_recv // 1_000_000


def test_what_could_not_be_left_is_tried_again() -> None:
    """A refusal of an UNSUBSCRIBE is no refusal of the stream."""

    async def act(far_end: Venue, hand: Hand) -> None:
        accounts = far_end.options.accounts
        assert accounts is not None
        await hears(far_end, BALANCES, ORDERS)
        accounts.refuses.add(BALANCES)
        await hand.subscriptions.remove([BALANCES])
        await far_end.until(lambda: len(accounts.seen) >= 4)
        assert far_end.connections[-1].topics == {BALANCES, ORDERS}
        accounts.refuses.clear()
        await hears(far_end, ORDERS)
        assert hand.told[0].startswith(f"{BALANCES} was not let go (4003 ")

    by_hand(act, BALANCES, ORDERS)


def test_what_could_not_be_left_may_be_wanted_again() -> None:
    """Though it was heard all the time: by what is on the tape it had been left."""

    async def act(far_end: Venue, hand: Hand) -> None:
        accounts = far_end.options.accounts
        assert accounts is not None
        await hears(far_end, BALANCES, ORDERS)
        accounts.refuses.add(BALANCES)
        await hand.subscriptions.remove([BALANCES])
        await hand.until(lambda: bool(hand.told))
        assert hand.engine.has_ended(BALANCES)
        accounts.refuses.clear()
        await hand.subscriptions.add([BALANCES])
        await hand.until(lambda: not hand.engine.has_ended(BALANCES))

    by_hand(act, BALANCES, ORDERS)


def test_a_change_of_mind_while_a_refusal_is_looked_into_keeps_nobody_busy() -> None:
    """To compare the clocks takes a while; what is wanted by then counts."""

    async def act(far_end: Venue, hand: Hand) -> None:
        accounts = far_end.options.accounts
        assert accounts is not None
        await hears(far_end, BALANCES)
        accounts.refuses.add(BALANCES)
        hand.clocks.clear()
        await hand.subscriptions.remove([BALANCES])
        await hand.until(lambda: hand.comparing)
        accounts.refuses.clear()
        await hand.subscriptions.add([BALANCES])
        hand.clocks.set()
        await hand.until(lambda: not hand.engine.has_ended(BALANCES))
        assert hand.told == []

    by_hand(act, BALANCES)


def test_what_is_wanted_no_more_while_away_is_left_on_the_tape() -> None:
    """Else a replay would go on with what was known of it."""

    async def act(far_end: Venue, hand: Hand) -> None:
        await hears(far_end, BALANCES, ORDERS)
        await hand.disconnect()
        await hand.subscriptions.remove([BALANCES])
        await hand.connect()
        await hand.until(lambda: hand.engine.has_ended(BALANCES))
        await hears(far_end, ORDERS)
        assert not hand.engine.has_ended(ORDERS)

    by_hand(act, BALANCES, ORDERS)


def test_a_refusal_that_comes_late_is_taken_for_the_newest_topic() -> None:
    """Nobody can know better; it is asked for again, which does no harm where it was good."""

    async def act(far_end: Venue, hand: Hand) -> None:
        accounts = far_end.options.accounts
        assert accounts is not None
        await hears(far_end, BALANCES, ORDERS)
        await hand.subscriptions.add([TRADES])
        await hears(far_end, BALANCES, ORDERS, TRADES)
        await hand.subscriptions.remove([TRADES])  # a round trip and more after the last of them
        await hears(far_end, BALANCES, ORDERS)
        while not hand.told:
            far_end.force(DENIED)
            await asyncio.sleep(0.005)
        await far_end.until(lambda: [name for name, _ in accounts.seen].count(ORDERS) >= 2)
        assert "could not be compared" in hand.told[0]

    by_hand(act, BALANCES, ORDERS)


PUBLIC_AND_PRIVATE = [TRADES, SOL, *ALL, f"{ORDERS}.SOL_USDC"]
NAMES_OF = st.lists(st.sampled_from(PUBLIC_AND_PRIVATE), min_size=1, max_size=3)
MOVE = st.tuples(st.sampled_from(("add", "remove", "away", "reconnect", "pause")), NAMES_OF)
REFUSE = st.tuples(st.sampled_from(("refuse", "allow")), NAMES_OF)
DENY = st.tuples(st.just("deny"), NAMES_OF)
MOVES = st.lists(MOVE | REFUSE, max_size=10) | st.lists(MOVE | DENY, max_size=10)


@settings(max_examples=examples(30), deadline=None)
@given(NAMES_OF, MOVES)
@example(
    [RFQS, SOL], [("deny", []), ("pause", []), ("deny", []), ("pause", []), ("remove", [RFQS])]
)
def test_in_the_end_the_venue_knows_what_is_wanted(
    first: list[str], moves: list[tuple[str, list[str]]]
) -> None:
    """However it came and went, whatever was refused, or denied for nothing, on the way. The model
    is a set."""

    async def act(far_end: Venue, hand: Hand) -> None:
        wanted = set(first)
        for move, names in moves:
            await make(move, names, far_end, hand)
            if move == "add":
                wanted |= set(names)
            if move in ("remove", "away"):
                wanted -= set(names)
        assert set(hand.subscriptions.topics) == wanted
        await make("allow", ALL + PUBLIC_AND_PRIVATE, far_end, hand)
        await hears(far_end, *wanted)
        await hand.until(lambda: set(hand.engine.streams) == wanted)

    _, accounts = by_hand(act, *first)
    signatures = [signature[1] for _, signature in accounts.seen]
    assert len(set(signatures)) == len(signatures)


async def make(move: str, names: list[str], far_end: Venue, hand: Hand) -> None:
    """One move."""
    accounts = far_end.options.accounts
    assert accounts is not None
    match move:
        case "add":
            await hand.subscriptions.add(names)
        case "remove":
            await hand.subscriptions.remove(names)
        case "refuse":
            accounts.refuses |= set(names)
        case "allow":
            accounts.refuses -= set(names)
        case "reconnect":
            await hand.disconnect()
            await hand.connect()
        case "away":
            await hand.disconnect()
            await hand.subscriptions.remove(names)
            await hand.connect()
        case "deny":
            far_end.force(DENIED)
        case "pause":
            await asyncio.sleep(0.01)


def test_live_takes_keys(tmp_path: Path) -> None:
    """A file, by its name; with the same loop body as for a market."""

    async def scene() -> list[Balance]:
        script = [*joined(BALANCES, TRADES), Send(trade(1)), Send(balance(7))]
        options = Options(accounts=Accounts([ALICE.key]))
        async with Venue(script, options=options, snapshots=SNAPSHOTS) as far_end:
            keys = str(ALICE.write(tmp_path / "keys.toml"))
            topics = ["account.*", TRADES]
            live = Live(topics, keys=keys, ws_url=far_end.ws_url, rest_url=far_end.rest_url)
            async with aclosing(aiter(live)) as rows:
                async for row in rows:
                    if isinstance(row, Balance):
                        return [row]
        return []

    (row,) = asyncio.run(scene())
    assert row.asset == "USDT"
