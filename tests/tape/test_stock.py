"""What may be pruned of a recording, by manifests alone, is what is on its disk."""

from pathlib import Path

import pytest

from tape.again import seal_again
from tape.compact import compact
from tape.generations import all_generations
from tape.keep import Keep
from tape.layout import Tape
from tape.plan import plan
from tape.prune import Order, prune
from tape.prunings import What
from tape.retention import Aim, choose, take_stock
from tests.tape.contents import hourly
from tests.tape.dumb import DumbEngine


def files_on(tape: Tape, what: What) -> int:
    """Bytes of all Parquet files, of frames, or of rows that are not about what is missing."""
    trees = {What.ALL: "", What.FRAMES: "frames/", What.ROWS: "rows*/depth/"}
    return sum(path.stat().st_size for path in tape.root.glob(f"{trees[what]}**/*.parquet"))


def check_stock(tape: Tape) -> None:
    """That bytes add up, of all and of what goes."""
    for what in What:
        stock = take_stock(tape, what)
        assert stock.bytes == files_on(tape, What.ALL)
        shared = {path for holding in stock.holdings for path in holding.shared}
        own = sum(holding.bytes for holding in stock.holdings)
        assert own + sum(stock.shared[path] for path in shared) == files_on(tape, what)


def prune_oldest(tape: Tape, what: What, number: int) -> None:
    stock = take_stock(tape, what)
    going = choose(stock, Aim(Keep.parse(["1B"]), 0, what)).going[:number]
    assert len(list(prune(tape, stock, going, Order(what, "test", "")))) == number


@pytest.mark.parametrize("compacted", [False, True])
def test_it_is_what_is_on_disk(tmp_path: Path, compacted: bool) -> None:
    tape = Tape(tmp_path)
    hourly(tape)
    check_stock(tape)
    if compacted:
        list(compact(tape, plan(tape, all_days=True)))
        check_stock(tape)
    prune_oldest(tape, What.FRAMES, 1)
    check_stock(tape)
    prune_oldest(tape, What.ROWS, 2)
    check_stock(tape)
    seal_again(tape, all_generations(tape)[2], DumbEngine())
    check_stock(tape)
    prune_oldest(tape, What.ALL, 2)
    check_stock(tape)
