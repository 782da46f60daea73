"""Signatures for the streams of an account (protocol section 5)."""

from base64 import b64encode
from typing import NoReturn

from nacl.signing import SigningKey

KEY_BYTES = 32  # of a seed, and of the public key that belongs to it
WINDOW_MS = 5_000  # for how long a signature is good; the venue takes up to 60,000


class Signer:
    """Signs with a key that nobody gets to see: not by ``repr``, ``str``, ``pickle`` or ``copy``.

    seed: 32 bytes, which live on in the library's key alone.
    """

    __slots__ = ("__key",)

    def __init__(self, seed: bytes) -> None:
        self.__key = SigningKey(seed)

    @property
    def public(self) -> bytes:
        """The 32 bytes that the venue knows it by."""
        return bytes(self.__key.verify_key)

    def sign(self, timestamp_ms: int, window_ms: int = WINDOW_MS) -> list[str]:
        """The ``signature`` of a request that subscribes: key, signature, timestamp, window."""
        message = f"instruction=subscribe&timestamp={timestamp_ms}&window={window_ms}"
        signature = self.__key.sign(message.encode()).signature
        texts = (b64encode(part).decode() for part in (self.public, signature))
        return [*texts, str(timestamp_ms), str(window_ms)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signing key is not to be written down or copied")
