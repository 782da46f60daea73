"""Streams of an account (protocol section 4): members to columns, whatever they are spelled as."""

import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.engine import Engine
from market.streams import STREAMS
from schemas.account_rows import Balance, Order, Position
from schemas.arrow import columns
from schemas.digest import Witness
from schemas.rows import Reject, Row
from schemas.tables import ACCOUNT_TABLES
from tests.effort import examples
from tests.market.fitting import check_fits
from tests.market.nasty import dumps, json_values
from tests.market.stamps import Stamper, event
from tests.market.texts import ACCOUNT, EVERY
from tests.shared import needs_shared, sample_texts

SPELLED = {"price": 9, "qty": 6, "signed": 6, "wide": 18}  # numbers, and decimals they may have
TEXTS = st.text(max_size=6)


class Member(NamedTuple):
    """A member of a message as the page tells of it, and the column it belongs in."""

    name: str
    column: str
    kind: str
    needed: bool = False


def members(kind: str, text: str) -> Iterator[Member]:
    """Of ``name:column`` parts; an exclamation mark: it must be there."""
    for part in text.split():
        name, _, column = part.rstrip("!").partition(":")
        yield Member(name, column, kind, part.endswith("!"))


PAGE: dict[str, list[Member]] = {
    "account.orderUpdate": [
        *members("micros", "E:ts_event! T:ts_engine"),
        *members("word", "S:side! o:order_type f:time_in_force B:trigger_by d:take_profit_by"),
        *members("word", "g:stop_loss_by X:state! R:expiry_reason N:fee_asset"),
        *members("word", "V:self_trade_prevention O:origin"),
        *members("name", "i:order_id! I:related_order_id"),
        *members("id", "c:client_order_id t:trade_id H:strategy_id"),
        *members("price", "p:price P:trigger_price a:take_profit_price j:take_profit_limit"),
        *members("price", "b:stop_loss_price k:stop_loss_limit L:fill_price"),
        *members("qty", "q:qty l:fill_qty z:executed_qty!"),
        *members("wide", "Q:quote_qty n:fee Z:executed_quote_qty!"),
        *members("share", "Y:trigger_qty"),
        *members("flag", "m:maker r:reduce_only y:post_only"),
    ],
    "account.positionUpdate": [
        *members("micros", "E:ts_event T:ts_engine"),
        *members("id", "i:position_id"),
        *members("signed", "q:net_qty! Q:exposure_qty"),
        *members("price", "M:mark_price"),
        *members("wide", "n:exposure_notional B:entry_price b:break_even_price"),
        *members("wide", "f:initial_margin_fraction m:maintenance_margin_fraction"),
        *members("wide", "p:realized_profit P:unrealized_profit"),
    ],
    "account.balanceUpdate": [
        *members("micros", "E:ts_event! T:ts_engine"),
        *members("wide", "A:available! L:locked! S:staked"),
    ],
    "account.rfqUpdate": [
        *members("micros", "E:ts_event! T:ts_engine"),
        *members("millis", "w:ts_submission W:ts_expiry"),
        *members("id", "R:rfq_id! u:quote_id"),
        *members("name", "C:client_id O:order_expiry"),
        *members("word", "S:side o:order_type X:state"),
        *members("price", "p:price"),
        *members("qty", "q:qty z:executed_qty l:fill_qty"),
        *members("wide", "Q:quote_qty Z:executed_quote_qty L:fill_quote_qty"),
    ],
}
EVENTS = {
    "account.orderUpdate": "orderAccepted orderCancelled orderExpired orderFill orderModified"
    " triggerPlaced triggerFailed",
    "account.positionUpdate": "positionAdjusted positionOpened positionClosed",
    "account.balanceUpdate": "balanceUpdate",
    "account.rfqUpdate": "rfqActive rfqAccepted rfqRefreshed rfqCancelled rfqCancelRequested"
    " rfqCandidate rfqFilled rfqAcceptedBinding quoteAccepted quoteCancelled",
}


@st.composite
def numbers(draw: st.DrawFn, kind: str) -> tuple[str, Any]:
    """JSON of a number, as text or number, padded or not, and what the column should hold."""
    most, signed = {"wide": 10**20, "signed": 10**12}.get(kind, 10**9), kind in ("wide", "signed")
    places = draw(st.integers(0, SPELLED[kind]))
    digits = draw(st.integers(-most + 1 if signed else 0, most - 1))
    text = str(abs(digits)).rjust(places + 1, "0")
    text = f"{text[: len(text) - places]}.{text[len(text) - places :]}" if places else text
    text = f"-{text}" if digits < 0 else text
    if places and draw(st.booleans()):
        text += "0" * draw(st.integers(0, 3))
    value = Fraction(digits, 10**places)
    written = draw(st.sampled_from([f'"{text}"', text]))
    return written, value if kind == "wide" else int(value * 10 ** SPELLED[kind])


@st.composite
def spelled(draw: st.DrawFn, kind: str) -> tuple[str, Any]:
    """JSON of a member of a kind, and what the column should hold."""
    if kind in SPELLED:
        return draw(numbers(kind))
    if kind == "share":
        return draw(
            st.sampled_from([('"80%"', "80%"), ('"20.030"', "20.030"), ("20.030", "20.030")])
        )
    if kind == "flag":
        return draw(st.sampled_from([("true", True), ("false", False)]))
    if kind == "word":
        text = draw(TEXTS)
        return json.dumps(text), text
    most = {"micros": 2**63 // 1_000 - 1, "millis": 2**63 // 1_000_000 - 1}.get(kind, 2**63 - 2)
    value = draw(st.sampled_from([0, 2**53 + 1, most]) | st.integers(0, most))
    value = min(value, most)
    written = draw(st.sampled_from([str(value), f'"{value}"']))
    scale = {"micros": 1_000, "millis": 1_000_000}.get(kind, 1)
    return written, str(value) if kind == "name" else value * scale


class Said(NamedTuple):
    """A message's text, and by column what its row should hold."""

    text: str
    row: dict[str, Any]


@st.composite
def messages(draw: st.DrawFn, channel: str) -> Said:
    """Any of the members that may be missing are there, null, or not there; in any order."""
    names, row = {}, dict[str, Any]()
    for member in PAGE[channel]:
        here = "there" if member.needed else draw(st.sampled_from(["there", "null", "not"]))
        value = None
        if here == "there":
            names[member.name], value = draw(spelled(member.kind))
        elif here == "null":
            names[member.name] = "null"
        row[member.column] = value
    market = draw(st.sampled_from(["ETH_USDC", "AAPL.US_USDC_PERP", "SOL_USDC_RFQ"]))
    key, column = ("a", "asset") if channel == "account.balanceUpdate" else ("s", "symbol")
    names[key], row[column] = f'"{market}"', market
    initial = channel == "account.positionUpdate" and draw(st.booleans())
    if not initial:
        row["event"] = draw(st.sampled_from(EVENTS[channel].split()))
        names["e"] = f'"{row["event"]}"'
    names["zz"] = '{"new":[1.5,null]}'
    order = draw(st.permutations(sorted(names)))
    body = ",".join(f'"{name}":{names[name]}' for name in order)
    return Said(f"{{{body}}}", row)


def feed(stream: str, data: str) -> list[Row]:
    """What a fresh engine makes of one message."""
    return Engine().feed(Stamper().data(f'{{"data":{data},"stream":"{stream}"}}'))


def check(row: Row, channel: str, expected: dict[str, Any]) -> None:
    """The row says that and nothing else."""
    assert type(row) is STREAMS[channel].row
    check_fits(row)
    others = {"seq": 1, "ts_recv": row.ts_recv, "symbol": None}
    for column in columns(type(row)):
        value = getattr(row, column.name)
        wanted = {**others, **expected}.get(column.name)
        assert value == wanted, column.name
        assert (value is None) == (wanted is None)


@pytest.mark.parametrize("channel", PAGE)
def test_each_column_has_its_member(channel: str) -> None:
    """The page of above is whole."""
    made = {column.name for column in columns(STREAMS[channel].row)}
    made -= {"seq", "ts_recv", "symbol", "asset", "event"}
    assert made == {member.column for member in PAGE[channel]}


@pytest.mark.parametrize("channel", PAGE)
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_whatever_is_there_is_in_its_column_exactly(channel: str, data: st.DataObject) -> None:
    """Texts and numbers alike, on the topic of a market as on that of all."""
    said = data.draw(messages(channel))
    stream = data.draw(st.sampled_from([channel, f"{channel}.ETH_USDC", f"{channel}.X.US_USDC"]))
    (row,) = feed(stream, said.text)
    expected = said.row
    if channel == "account.balanceUpdate":
        expected.pop("event")
    check(row, channel, expected)


@pytest.mark.parametrize("channel", PAGE)
def test_what_must_be_there_must(channel: str) -> None:
    """Or the frame is rejected, and named."""
    whole = json.loads(ACCOUNT[channel])["data"]
    for member in PAGE[channel]:
        for without in (
            {k: v for k, v in whole.items() if k != member.name},
            whole | {member.name: None},
        ):
            (row,) = feed(channel, json.dumps(without))
            assert isinstance(row, Reject) == member.needed, member
            if isinstance(row, Reject):
                assert (row.reason, row.topic) == ("bad_field", channel)
                assert f"`{member.name}`" in row.detail or f"$.{member.name}" in row.detail


@pytest.mark.parametrize("channel", PAGE)
def test_what_does_not_fit_is_rejected_and_never_rounded(channel: str) -> None:
    """One digit too many, in either spelling; a word where a number should be."""
    whole = json.loads(ACCOUNT[channel])["data"]
    for member in PAGE[channel]:
        places = SPELLED.get(member.kind, 0)
        fine = "0." + "0" * places + "1"
        for written in (f'"{fine}"', fine, '"80%"', '"NaN"', "1e300") if places else ():
            text = json.dumps(whole | {member.name: "?"}).replace('"?"', written)
            (row,) = feed(channel, text)
            assert isinstance(row, Reject), (member, written)
            assert row.reason == "inexact"


def test_only_positions_are_negative() -> None:
    """A short one; and fees and profits."""
    order = json.loads(ACCOUNT["account.orderUpdate"])["data"]
    for name in "qlzpPabjkL":
        (row,) = feed("account.orderUpdate", json.dumps(order | {name: "-1"}))
        assert isinstance(row, Reject)
        assert row.reason == "inexact"
    (made,) = feed("account.orderUpdate", json.dumps(order))
    (short,) = feed("account.positionUpdate", '{"s":"X","q":"-1.5","Q":-2,"p":-0.25}')
    assert isinstance(made, Order)
    assert isinstance(short, Position)
    assert str(made.fee) == "-0.000001000000000000"
    assert (short.net_qty, short.exposure_qty) == (-1_500_000, -2_000_000)
    assert str(short.realized_profit) == "-0.250000000000000000"


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(messages("account.positionUpdate"), max_size=4))
def test_an_array_of_positions_is_a_row_each(said: list[Said]) -> None:
    """In their order; none is none."""
    rows = feed("account.positionUpdate", f"[{','.join(one.text for one in said)}]")
    assert len(rows) == len(said)
    for row, one in zip(rows, said, strict=True):
        check(row, "account.positionUpdate", one.row)


@pytest.mark.parametrize("bad", ['{"s":"X","q":"1.0000001"}', '{"s":"X"}', "7", "[]", "null"])
def test_an_array_is_taken_as_a_whole(bad: str) -> None:
    """Half of one would look like all."""
    (row,) = feed("account.positionUpdate", f'[{{"s":"X","q":"1"}},{bad}]')
    assert isinstance(row, Reject)
    assert row.reason in ("inexact", "bad_field")


@pytest.mark.parametrize("channel", ["account.orderUpdate", "account.balanceUpdate"])
def test_no_other_stream_has_arrays(channel: str) -> None:
    (row,) = feed(channel, f"[{json.dumps(json.loads(ACCOUNT[channel])['data'])}]")
    assert isinstance(row, Reject)


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6))
def test_the_cumulative_fill_is_z(fills: list[int]) -> None:
    """And never `l`, which is of one fill (section 8, defect 15)."""
    engine, stamper = Engine(), Stamper()
    whole = json.loads(ACCOUNT["account.orderUpdate"])["data"]
    for fill, total in zip(fills, accumulate(fills), strict=True):
        changed = whole | {"l": f"{fill}.5", "z": str(total), "Z": f"{total * 2}.0"}
        (row,) = engine.feed(stamper.data(event("account.orderUpdate", **changed)))
        assert isinstance(row, Order)
        assert (row.fill_qty, row.executed_qty) == (fill * 10**6 + 500_000, total * 10**6)
        assert row.executed_quote_qty == total * 2


def test_an_expiry_reason_may_have_another_name() -> None:
    """One client reads ``er``."""
    said = ACCOUNT["account.orderUpdate expired"]
    for name in ("R", "er"):
        (row,) = Engine().feed(Stamper().data(said.replace('"R":', f'"{name}":')))
        assert isinstance(row, Order)
        assert row.expiry_reason == "PriceOutOfBounds"


def test_a_position_that_was_open_already_has_no_event() -> None:
    """The first message has no ``e``: it is told by its stream (section 8, defect 16)."""
    for e in ("", '"e":null,'):
        (row,) = feed("account.positionUpdate.SOL_USDC_PERP", f'{{{e}"s":"SOL_USDC_PERP","q":"1"}}')
        assert isinstance(row, Position)
        assert (row.event, row.ts_event, row.symbol) == (None, None, "SOL_USDC_PERP")


def test_a_balance_is_of_no_market() -> None:
    (row,) = Engine().feed(Stamper().data(ACCOUNT["account.balanceUpdate"]))
    assert isinstance(row, Balance)
    assert (row.symbol, row.asset) == (None, "USDT")


@pytest.mark.parametrize("symbol", ["ETH_USDC", "AAPL.US_USDC_PERP", "2Z_USDC_PERP"])
def test_the_market_is_that_of_the_message(symbol: str) -> None:
    """The topic may be of all markets, or spell an RFQ in a way nobody has seen."""
    for channel in ("account.orderUpdate", "account.rfqUpdate"):
        said = json.loads(ACCOUNT[channel])["data"] | {"s": symbol}
        for stream in (channel, f"{channel}.{symbol}", f"{channel}.SOL_USDC"):
            (row,) = feed(stream, json.dumps(said))
            assert row.symbol == symbol


def test_ids_beyond_2_to_53_are_exact() -> None:
    said = ACCOUNT["account.rfqUpdate"].replace("113392053149171712", str(2**63 - 2))
    (row,) = Engine().feed(Stamper().data(said))
    assert getattr(row, "rfq_id", None) == 2**63 - 2
    (reject,) = Engine().feed(Stamper().data(said.replace(str(2**63 - 2), str(2**64 - 1))))
    assert isinstance(reject, Reject)


@pytest.mark.parametrize("stream", [*STREAMS, *(f"{channel}.ETH_USDC" for channel in STREAMS)])
def test_no_stream_makes_rows_of_another(stream: str) -> None:
    """Rows of an account come of its streams alone, and no others come of those."""
    kind = STREAMS[stream.removesuffix(".ETH_USDC")]
    for text in EVERY.values():
        said = json.loads(text)
        for row in Engine().feed(Stamper().data(json.dumps(said | {"stream": stream}))):
            assert (type(row) in ACCOUNT_TABLES) <= (type(row) is kind.row), stream
            assert not kind.private or isinstance(row, kind.row | Reject), stream


@settings(max_examples=examples(100), deadline=None)
@given(
    st.sampled_from(sorted(PAGE)),
    st.dictionaries(st.sampled_from([*"eEsTiSXzZqQpPRuCwWaALBbMfmlnO", "er"]), json_values),
    st.booleans(),
)
def test_nonsense_is_rejected_or_fits(channel: str, wrong: dict[str, Any], array: bool) -> None:
    said = json.loads(ACCOUNT[channel])["data"] | wrong
    payload = dumps({"data": [said] if array else said, "stream": channel})
    for row in Engine().feed(Stamper().data(payload)):
        assert type(row) in (STREAMS[channel].row, Reject)
        assert getattr(row, "reason", "") != "internal"
        check_fits(row)


def played(texts: list[str]) -> tuple[list[Row], str]:
    """The rows of texts, and the digest that is sealed."""
    engine, stamper, witness, made = Engine(), Stamper(), Witness(), list[Row]()
    for text in texts:
        frame = stamper.data(text)
        rows = engine.feed(frame)
        witness.see(frame, rows)
        made += rows
    return made, witness.checkpoint().rows


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.sampled_from(sorted(EVERY.values())), max_size=12))
def test_a_replay_makes_the_same_rows(texts: list[str]) -> None:
    assert played(texts) == played(texts)


@needs_shared
def test_every_sample_of_an_account_is_a_row() -> None:
    """Observed or documented; and nothing is unknown."""
    texts = [text for name in ("frames", "doc_examples") for text in sample_texts(name)]
    texts = [text for text in texts if '"stream":"account.' in text]
    assert len(texts) == 16
    rows, _ = played(texts)
    assert {type(row) for row in rows} == set(ACCOUNT_TABLES)
    assert len(rows) == len(texts)
