"""The rows of the account streams (protocol section 4). As in `schemas.rows`, the class is the
schema. Words are kept as sent.

Quantities are of the market's steps and fit an int; money, and prices that are averages, may be
finer than any tick and are decimals.
"""

from typing import Annotated

from schemas.columns import Count, Doc, Flag, Price, Qty, Text, Time, Wide, Word
from schemas.rows import Row


class Order(Row, tag="order"):
    """An event of an order of ours: accepted, filled in part or whole, modified, gone.

    `executed_qty` and `executed_quote_qty` are totals of the order; what `fill_..` says is of this
    fill alone.
    """

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    event: Annotated[
        Word,
        Doc(
            "`orderAccepted`, `orderFill`, `orderCancelled`, `orderExpired`, `orderModified`,"
            " `triggerPlaced`, `triggerFailed` (`e`)"
        ),
    ]
    order_id: Annotated[Text, Doc("`i`")]
    client_order_id: Annotated[Count | None, Doc("ours, if we gave one (`c`)")]
    side: Annotated[Word, Doc("`Bid` or `Ask` (`S`)")]
    order_type: Annotated[Word | None, Doc("`LIMIT` or `MARKET` (`o`)")]
    time_in_force: Annotated[Word | None, Doc("`GTC`, `IOC` or `FOK` (`f`)")]
    price: Annotated[Price | None, Doc("limit (`p`)")]
    qty: Annotated[Qty | None, Doc("ordered (`q`); zero on trigger orders")]
    quote_qty: Annotated[Wide | None, Doc("ordered, in quote (`Q`)")]
    trigger_price: Annotated[Price | None, Doc("`P`")]
    trigger_by: Annotated[Word | None, Doc("`LastPrice`, `MarkPrice` or `IndexPrice` (`B`)")]
    trigger_qty: Annotated[Text | None, Doc("a quantity, or a share such as `80%` (`Y`)")]
    take_profit_price: Annotated[Price | None, Doc("where it triggers (`a`)")]
    take_profit_limit: Annotated[Price | None, Doc("limit of the order then placed (`j`)")]
    take_profit_by: Annotated[Word | None, Doc("as `trigger_by` (`d`)")]
    stop_loss_price: Annotated[Price | None, Doc("where it triggers (`b`)")]
    stop_loss_limit: Annotated[Price | None, Doc("limit of the order then placed (`k`)")]
    stop_loss_by: Annotated[Word | None, Doc("as `trigger_by` (`g`)")]
    state: Annotated[
        Word,
        Doc(
            "`New`, `PartiallyFilled`, `Filled`, `Cancelled`, `Expired`, `TriggerPending`,"
            " `TriggerFailed`, after the event (`X`)"
        ),
    ]
    expiry_reason: Annotated[Word | None, Doc("why it expired (`R`, or `er`)")]
    executed_qty: Annotated[Qty, Doc("of all fills so far (`z`)")]
    executed_quote_qty: Annotated[Wide, Doc("of all fills so far, in quote (`Z`)")]
    trade_id: Annotated[Count | None, Doc("of this fill (`t`)")]
    fill_qty: Annotated[Qty | None, Doc("of this fill (`l`)")]
    fill_price: Annotated[Price | None, Doc("of this fill (`L`)")]
    maker: Annotated[Flag | None, Doc("this order was the maker of this fill (`m`)")]
    fee: Annotated[Wide | None, Doc("of this fill; negative: a rebate (`n`)")]
    fee_asset: Annotated[Word | None, Doc("what the fee is in (`N`)")]
    self_trade_prevention: Annotated[
        Word | None, Doc("`RejectTaker`, `RejectMaker`, `RejectBoth` or `Allow` (`V`)")
    ]
    reduce_only: Annotated[Flag | None, Doc("`r`")]
    post_only: Annotated[Flag | None, Doc("`y`")]
    origin: Annotated[Word | None, Doc("`USER`, or who else made the order (`O`)")]
    related_order_id: Annotated[Text | None, Doc("`I`")]
    strategy_id: Annotated[Count | None, Doc("`H`")]


class Position(Row, tag="position"):
    """A position of ours as it stands: after a change, or when its stream was subscribed.

    A position that was closed has a `net_qty` of zero. The venue's `l` is no liquidation price any
    more (it is always 0) and is left out.
    """

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    event: Annotated[
        Word | None,
        Doc(
            "`positionOpened`, `positionAdjusted`, `positionClosed` (`e`); null: as it stood when"
            " the stream was subscribed"
        ),
    ]
    position_id: Annotated[Count | None, Doc("`i`")]
    net_qty: Annotated[Qty, Doc("negative: short (`q`)")]
    exposure_qty: Annotated[Qty | None, Doc("net, with open orders (`Q`)")]
    exposure_notional: Annotated[Wide | None, Doc("net, in quote (`n`)")]
    entry_price: Annotated[Wide | None, Doc("average (`B`)")]
    break_even_price: Annotated[Wide | None, Doc("average (`b`)")]
    mark_price: Annotated[Price | None, Doc("`M`")]
    initial_margin_fraction: Annotated[Wide | None, Doc("`f`")]
    maintenance_margin_fraction: Annotated[Wide | None, Doc("`m`")]
    realized_profit: Annotated[Wide | None, Doc("`p`")]
    unrealized_profit: Annotated[Wide | None, Doc("`P`")]


class Balance(Row, tag="balance"):
    """What we hold of an asset after a change. It is about no market, so `symbol` is null.

    Nothing is sent on subscription: before the first change of an asset, only REST knows.
    """

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    asset: Annotated[Word, Doc("`a`")]
    available: Annotated[Wide, Doc("`A`, absolute")]
    locked: Annotated[Wide, Doc("`L`, absolute")]
    staked: Annotated[Wide | None, Doc("`S`, absolute")]


class Rfq(Row, tag="rfq"):
    """An event of a request for quote, or of a quote for one."""

    ts_engine: Annotated[Time | None, Doc("matching engine time (`T`)")]
    event: Annotated[
        Word,
        Doc(
            "`rfqActive`, `rfqAccepted`, `rfqRefreshed`, `rfqCancelled`, `rfqCancelRequested`,"
            " `rfqCandidate`, `rfqFilled`, `rfqAcceptedBinding`, `quoteAccepted`, `quoteCancelled`"
            " (`e`)"
        ),
    ]
    rfq_id: Annotated[Count, Doc("`R`; beyond 2^53")]
    quote_id: Annotated[Count | None, Doc("`u`; beyond 2^53")]
    client_id: Annotated[Text | None, Doc("ours, of the request or of the quote (`C`)")]
    side: Annotated[Word | None, Doc("`Bid` or `Ask`, of the one who requests (`S`)")]
    order_type: Annotated[Word | None, Doc("of the venue's own requests (`o`)")]
    qty: Annotated[Qty | None, Doc("asked for or quoted (`q`)")]
    quote_qty: Annotated[Wide | None, Doc("the same in quote (`Q`)")]
    price: Annotated[Price | None, Doc("`p`")]
    ts_submission: Annotated[Time | None, Doc("until when quotes are taken (`w`)")]
    ts_expiry: Annotated[Time | None, Doc("when the request ends (`W`)")]
    order_expiry: Annotated[Text | None, Doc("`O`, as sent: its unit is not known")]
    state: Annotated[Word | None, Doc("`New`, `Cancelled`, `Filled` or `Expired` (`X`)")]
    executed_qty: Annotated[Qty | None, Doc("of all fills so far (`z`)")]
    executed_quote_qty: Annotated[Wide | None, Doc("of all fills so far, in quote (`Z`)")]
    fill_qty: Annotated[Qty | None, Doc("of this fill (`l`)")]
    fill_quote_qty: Annotated[Wide | None, Doc("of this fill, in quote (`L`)")]
