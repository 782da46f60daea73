"""Whose signatures the venue takes (protocol section 5), checked with a library of its own."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from replay.server.requests import INVALID_SIGNATURE, Answer, error_frame

LONGEST_WINDOW_MS = 60_000


class VenueClock:
    """The venue's own, which a script may set: `ahead_ms` of this machine's."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000 + self.ahead_ms


class Accounts:
    """The keys that may hear account streams. A script changes them as it likes.

    keys: public ones in base64; revoked by being taken out. refuses: topics that no key may hear.
    seen: all signatures that came, as (topic, signature array).
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = set(keys)
        self.refuses: set[str] = set()
        self.seen: list[tuple[str, list[str]]] = []

    def judge(self, text: str | bytes, verdict: Answer, now_ms: int) -> Answer:
        """The verdict without the topics that the signature in the text is not good for, each of
        which gets an error."""
        asked = [*verdict.add, *verdict.remove]
        private = [topic for topic in asked if topic.split(".")[0] == "account"]
        if not private:
            return verdict
        signature = json.loads(text).get("signature")
        self.seen.extend((topic, signature) for topic in private)
        good = self._is_good(signature, now_ms)
        refused = [topic for topic in private if not good or topic in self.refuses]
        return Answer(
            tuple(topic for topic in verdict.add if topic not in refused),
            tuple(topic for topic in verdict.remove if topic not in refused),
            verdict.errors + tuple(error_frame(*INVALID_SIGNATURE) for _ in refused),
        )

    def _is_good(self, signature: object, now_ms: int) -> bool:
        match signature:
            case [str(key), str(signed), str(timestamp), str(window)] if key in self.keys:
                message = f"instruction=subscribe&timestamp={timestamp}&window={window}"
                in_time = abs(now_ms - int(timestamp)) <= int(window) <= LONGEST_WINDOW_MS
                return in_time and _verifies(key, signed, message)
            case _:
                return False


def _verifies(key: str, signed: str, message: str) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(b64decode(key))
        public.verify(b64decode(signed), message.encode())
    except InvalidSignature:
        return False
    return True
