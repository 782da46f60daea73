"""The seeds of the corpora, from frames and files of recordings: ``python -m tests.fuzz seeds``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256

import msgspec

from schemas.frames import (
    ClockNoted,
    ConnectionClosed,
    Frame,
    FramesLost,
    Judgement,
    Kind,
    LoadTurned,
    MessagesCopied,
    Moment,
    RequestFailed,
    SilenceNoted,
    to_json,
)
from schemas.shedding import Level
from tape.journal_reader import read_journal
from tape.layout import Tape
from tape.reader import read_frames, segments
from tests.crashes.arrivals import arrival
from tests.fuzz.engine import JOINED, TOPICS, line_of
from tests.fuzz.parts import RECORDING, SEGMENT, files
from tests.fuzz.sockets import DEFLATE, HANDSHAKE, SEPARATOR, masked, post
from tests.market.texts import EVERY
from tests.shared import ROOT
from tests.tape.impossible import REFUSED, UNLIKELY

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
LONGEST = 4_000  # bytes of a seed's payload
PATCH = 24  # about a page header


def frames() -> Iterator[bytes]:
    """A frame of every stream and of every kind by itself; a session that joins and goes on."""
    for text in EVERY.values():
        yield line_of(Kind.DATA, "", text.encode())
    for frame in _first_of_each():
        yield line_of(frame.kind, frame.topic, frame.payload)
    joining = [arrival("fuzz", number) for number in range(JOINED)]
    yield b"\n".join(line_of(one.kind, one.topic, one.payload) for one in joining)
    following = [arrival("fuzz", number).payload for number in (JOINED, JOINED + 5, JOINED + 1)]
    yield b"L" + b"\n".join(line_of(Kind.DATA, "", payload) for payload in following)
    failed = to_json(RequestFailed(429, "too many", ""))
    closed = to_json(ConnectionClosed(1006, ""))
    others = [(Kind.FAILED, TOPICS[2], failed), (Kind.CLOSE, "", closed), (Kind.BINARY, "", b"\1")]
    others += [(Kind.LOSS, "", to_json(FramesLost("memory", 3, 400, ended=True)))]
    copied = MessagesCopied([3, 4], [2, 2], [900_000, 0], [12, None])
    others += [(Kind.COPIES, "", to_json(copied))]
    others += [(Kind.LOAD, "", to_json(LoadTurned(level))) for level in (Level.NO_ROWS, Level.ALL)]
    others += [(Kind.CLOCK, "", to_json(ClockNoted(5, 1_795_330_800_000, 7_000_000)))]
    silent = SilenceNoted(Judgement.DEAD, "why", "reconnect", Moment(3, 1, 2), Moment(5, 4, 9))
    others += [(Kind.SILENCE, TOPICS[0], to_json(silent))]
    yield b"L" + b"\n".join(line_of(*other) for other in others)


def _first_of_each() -> Iterator[Frame]:
    """Of every kind but data in the sample, the first that is not long."""
    tape, seen = Tape(ROOT / "data" / "sample"), {Kind.DATA}
    for one in segments(tape):
        for frame in read_frames(tape, one):
            if frame.kind not in seen and len(frame.payload) < LONGEST:
                seen.add(frame.kind)
                yield frame


def journal() -> Iterator[bytes]:
    """A real one, whole and torn; what a batch holds; bytes between batches."""
    (path,) = (RECORDING / "journal").glob("*.zst")
    content = path.read_bytes()
    yield b"\0" + content
    yield b"\0" + content[:-9]
    yield b"\2" + content[:40]
    yield b"\1" + msgspec.msgpack.encode(list(read_journal(path))[:3])


def manifest() -> Iterator[bytes]:
    """One of a segment with few files; one with each edit that is refused, or not likely."""
    text = (RECORDING / "manifest" / f"{SEGMENT}.json").read_text()
    whole = json.loads(text)
    tables = ("frames", "depth", "gap")
    whole["files"] = [next(e for e in whole["files"] if e["table"] == t) for t in tables]
    yield json.dumps(whole, indent=1).encode()
    lost = {"bytes": 7, "after_seq": 3, "after_ts": 4, "reason": "torn"}
    damage = {"offset": 1, "length": 2, "reason": "r", "after_seq": 1, "until_seq": None}
    yield json.dumps(whole | {"lost": lost, "damage": [damage], "end": None}).encode()
    for edit in (*REFUSED.values(), *UNLIKELY.values()):
        changed = deepcopy(whole)
        edit(changed)
        content = json.dumps(changed, separators=(",", ":")).encode()
        if len(content) < LONGEST:
            yield content


def segment() -> Iterator[bytes]:
    """Nothing spoiled; and some bytes of each file, put where they are."""
    for choice, whole in enumerate(files()):
        yield bytes([choice])
        for offset in (0, 4, len(whole.pages) // 2):
            place = offset.to_bytes(2, "little")
            yield bytes([choice]) + place + whole.pages[offset : offset + PATCH]


def sockets() -> Iterator[bytes]:
    """Sessions in order, alone and beside each other; each is mutated into some that are not."""
    yield from _SESSIONS
    yield SEPARATOR.join(_SESSIONS[:4])
    yield SEPARATOR.join((_SESSIONS[0], b'ca{"command":"wait","timeout":3600}', _SESSIONS[3]))
    yield b"rc" + HANDSHAKE + b"\r\n" + masked(0x81, _subscribe("depth.SOL_USDC"))
    yield b"rc" + HANDSHAKE + DEFLATE + b"\r\n" + masked(0x89, b"ping") + masked(0x88, b"\3\xe8")
    yield (
        b"rc"
        + post(b'{"command":"status"}')
        + b"GET /api/v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    yield b"rh" + _CHUNKED


def _subscribe(*topics: str, method: str = "SUBSCRIBE") -> bytes:
    return json.dumps({"method": method, "params": topics}, separators=(",", ":")).encode()


_CHUNKED = (
    b"POST /control HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n14\r\n{"command":"resume"}\r\n0\r\n\r\n'
    b"HEAD http://x/api/v1/ping HTTP/1.0\r\n\r\n"
)
_COMMANDS = (
    b'{"command":"speed","speed":"100x"}',
    b'{"command":"loop","start":"#100","until":"#300"}',
    b'{"command":"step","frames":3}',
    b'{"command":"seek","to":"16:43:30"}',
    b'{"command":"break","on":"spread>0.05","symbol":"SOL_USDC"}',
    b'{"command":"resume"}',
    b'{"command":"wait","timeout":0.01}',
    b'{"command":"clear"}',
    b'{"command":"loop"}',
)
_SESSIONS = (  # see `tests.fuzz.sockets`; the first byte of a frame has FIN and the opcode
    b"ws\x81" + _subscribe("depth.SOL_USDC", "trade.SOL_USDC", "depth.NOPE", "rain.SOL_USDC"),
    b"cc" + b"\n".join(_COMMANDS),
    b"gc/api/v1/depth?symbol=SOL_USDC&limit=5\n/api/v1/trades?symbol=SOL_USDC&limit=3\n/api/v1/ping",
    b"zc\xc1"
    + _subscribe("kline.1s.SOL_USDC", "depth.600ms.SOL_USDC", "bookTicker.SOL_USDC")
    + b"\n\x89ping\n\xc1"
    + _subscribe("kline.1s.SOL_USDC", method="UNSUBSCRIBE")
    + b"\n\x88\x03\xe8",
    b'wa\x01{"method":"SUBSCRIBE",\n\x89\n\x80"params":["trade.BTC_USDC_PERP"]}\n\x8apong\n\x88\x03\xe9bye',
    b'wc\x81{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["a","b","1","2"]}'
    b'\n\x82{"method":"PING"}\n\x81[[[[',
    b"gh/api/v1/klines?symbol=SOL_USDC&interval=1s&startTime=0&endTime=9999999999&priceType=Mark"
    b"\n/api/v1/fundingRates?symbol=BTC_USDC_PERP&limit=1&offset=0\n/api/v1/markets?marketType=SPOT"
    b"\n/api/v1/trades/history?symbol=SOL_USDC&limit=1000&offset=2\n/control",
)


def write(target: str, inputs: Iterator[bytes]) -> None:
    """Put seeds into a corpus, each under the hash of its content."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / sha256(data).hexdigest()[:16]).write_bytes(data)


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "frames": frames,
    "journal": journal,
    "manifest": manifest,
    "segment": segment,
    "sockets": sockets,
}
