"""Sessions in which frames of an account stand between all others, and what of them is private by
a rule too dumb to be wrong. Only what is private has the word `MARK` in it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import strategies as st

from schemas.frames import Frame, Kind
from tape.layout import Tape
from tests.market.texts import ACCOUNT, WELL_FORMED
from tests.tapes import Recording, Setting

MARK = "M4RKED"
PUBLIC = ("trade.SOL_USDC", "depth.SOL_USDC")
OF_ACCOUNT = ("account.orderUpdate", "account.balanceUpdate")
HOUR = 3_600_000_000_000

ORDER = ACCOUNT["account.orderUpdate"].replace("5406825793", MARK)
BALANCE = ACCOUNT["account.balanceUpdate"].replace("USDT", MARK)
NEWS = json.dumps({"data": {"e": "news", "text": MARK}, "stream": "account.newsUpdate"})
BAD_ORDER = json.dumps({"data": {"e": "orderFill", "p": MARK}, "stream": "account.orderUpdate"})
ERROR = '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'
UNREAD = '{"data":'  # whether it is private depends on what is subscribed

# What happens, by name. Texts are those of messages.
TEXTS = {
    "trade": WELL_FORMED["trade"],
    "depth": WELL_FORMED["depth"],
    "bad trade": '{"data":{"e":"trade","s":"SOL_USDC"},"stream":"trade.SOL_USDC"}',
    "order": ORDER,
    "balance": BALANCE,
    "news": NEWS,
    "bad order": BAD_ORDER,
    "error": ERROR,
}
MOVES = (*TEXTS, "unread", "no stream", "binary", "subscribe", "roll", "hour", "back")
moves = st.lists(st.sampled_from(MOVES), max_size=25)


def play(root: Path, happening: Sequence[str], topics: Sequence[str] = PUBLIC) -> Recording:
    """A session in which that happened; it is still being recorded."""
    recording = Recording(root, Setting(every=4))
    recording.begin(topics)
    recording.connect()
    wanted = any(topic.startswith("account.") for topic in topics)
    for move in happening:
        recording.pass_(1_000_000)
        wanted = wanted or move in ("order", "balance", "news", "bad order", "subscribe")
        if move in TEXTS:
            recording.data(TEXTS[move])
        elif move == "roll":
            recording.roll()
            wanted = any(topic.startswith("account.") for topic in topics)
        elif move in ("hour", "back"):
            recording.wall += HOUR if move == "hour" else -HOUR
        else:
            odd(recording, move, MARK if wanted else "anybody")
    return recording


def odd(recording: Recording, move: str, word: str) -> None:
    """What no stream can be read of, with a word in it; or a request of ours."""
    if move == "unread":
        recording.data(UNREAD + word)
    elif move == "no stream":
        recording.data(json.dumps({"data": word, "error": word}))
    elif move == "binary":
        recording.take(Kind.BINARY, word.encode(), conn=recording.conn)
    else:
        command = {"method": "SUBSCRIBE", "params": ["trade.X", "account.rfqUpdate"]}
        recording.take(Kind.SENT, json.dumps(command).encode(), conn=recording.conn)


def marked(frame: Frame) -> bool:
    """Whether it is private."""
    is_memory = frame.kind is Kind.KEYFRAME and frame.topic.startswith("account.")
    return is_memory or MARK.encode() in frame.payload


def outside(tape: Tape) -> Iterator[str]:
    """Everything that is written in files outside of the folder of the account, unpacked."""
    for path in tape.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(tape.account_folder):
            yield path.read_bytes().decode(errors="replace")
            if path.suffix == ".parquet":
                yield repr(pq.ParquetFile(path).read().to_pylist())


def inside(tape: Tape, tree: str = "frames") -> list[Path]:
    """Files of the account."""
    return sorted((tape.account_folder / tree).rglob("*.parquet"))


def modes(tape: Tape) -> set[tuple[str, int]]:
    """What there is in the folder of the account, itself included, and who may use it."""
    found = [tape.account_folder, *tape.account_folder.rglob("*")]
    kinds = (("folder" if path.is_dir() else "file", path.stat().st_mode) for path in found)
    return {(kind, mode & 0o777) for kind, mode in kinds}
