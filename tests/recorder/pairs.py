"""Key pairs as the exchange gives them out, made with a library of their own."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PART = 8  # characters of a secret that nobody may show in a row


class Pair(NamedTuple):
    """API key and secret, both in base64."""

    key: str
    secret: str

    def toml(self) -> str:
        """As a key file has them."""
        return f'api_key = "{self.key}"\napi_secret = "{self.secret}"\n'

    def write(self, path: Path, mode: int = 0o600) -> Path:
        """Put into the place of whatever key file is there."""
        return replace(path, self.toml(), mode)


def pair(seed: bytes) -> Pair:
    """The pair of 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return Pair(b64encode(public).decode(), b64encode(seed).decode())


def replace(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file that is there as a whole or not at all."""
    aside = path.with_suffix(".aside")
    aside.write_text(text)
    aside.chmod(mode)
    os.replace(aside, path)
    return path


def shown(text: str, *hidden: str) -> list[str]:
    """What a text shows of things that are hidden, even in part."""
    parts = {hide[i : i + PART] for hide in hidden for i in range(len(hide) - PART + 1)}
    return sorted(part for part in parts if part in text)


ALICE, BOB = pair(bytes(range(32))), pair(bytes(range(100, 132)))
