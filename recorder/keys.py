"""Keys of an account: where they come from, and what is wrong with those that are wrong.

No frame of a traceback here holds a key or a secret: whatever reads or compares them gives back
what is wrong as a text, and only who has no more than that text raises.
"""

import os
import re
import stat
import tomllib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from recorder.signing import KEY_BYTES, Signer
from schemas.errors import ConfigError
from schemas.topics import is_private

LARGEST_FILE = 16_384  # bytes
HOW = (
    "set BP_API_KEY and BP_API_SECRET, or name a file that has api_key and api_secret:"
    " bp-record --keys FILE, Live(.., keys=FILE)"
)

_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_SHOWN = re.compile(r"[A-Za-z0-9+/_-]{43}=|[0-9a-fA-F]{64}")  # 32 bytes, wherever they stand
_BARE = re.compile(r"\W*[A-Za-z0-9+/_-]{43}\W*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Names(NamedTuple):
    """What the two halves are called where they come from."""

    key: str
    secret: str


IN_FILE = Names("api_key", "api_secret")
IN_ENVIRONMENT = Names("BP_API_KEY", "BP_API_SECRET")


class KeySource(Protocol):
    """Where keys can be read, and read again: they may be replaced while a recorder runs."""

    def read(self) -> Signer:
        """The keys as they are now; raises ConfigError where they cannot be used."""


class KeyPair(Signer):
    """An API key and its secret, both as the exchange shows them: 32 bytes in base64.

    Raises ConfigError, saying which of the two is wrong. Never shows either.
    """

    __slots__ = ()

    def __init__(self, api_key: str, api_secret: str) -> None:
        problem = _problem(IN_FILE, api_key, api_secret)
        seed = b"" if problem else _bytes(api_secret)
        del api_key, api_secret
        if problem:
            raise ConfigError(f"the keys cannot be used: {problem}")
        super().__init__(seed)

    def read(self) -> "KeyPair":
        """Itself: a source that never changes."""
        return self


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A TOML file with ``api_key`` and ``api_secret`` that nobody but its owner may read."""

    path: Path

    def read(self) -> Signer:
        """Read it anew; raises ConfigError."""
        found = _of_file(self.path)
        if isinstance(found, str):
            raise ConfigError(f"key file {self.path}: {found}")
        return found


@dataclass(frozen=True, slots=True)
class KeyEnvironment:
    """The variables BP_API_KEY and BP_API_SECRET."""

    def read(self) -> Signer:
        """Read them anew; raises ConfigError."""
        found = _pair(IN_ENVIRONMENT, os.environ)
        if isinstance(found, str):
            raise ConfigError(f"environment: {found}")
        return found


def key_source(topics: Iterable[str], given: "str | Path | KeyPair | None") -> KeySource | None:
    """Where a recording of these topics has its keys; None where it needs none, or there are none.

    given: a file or a pair; else the environment, if a topic is of an account. Raises ConfigError
    where there are two sources.
    """
    set_here = [name for name in IN_ENVIRONMENT if os.environ.get(name)]
    if given is None:
        private = any(map(is_private, topics))
        return KeyEnvironment() if private and set_here else None
    if set_here:
        raise ConfigError(
            f"keys from two places: {' and '.join(set_here)} in the environment, and others given:"
            " unset the variables, or give nothing else"
        )
    if isinstance(given, KeyPair):
        return given
    if _is_key(str(given)):
        del given
        raise ConfigError(
            "a key was given where the name of a key file goes: others may have seen it, on the"
            f" command line or in its history, so revoke it and make another. Then {HOW}"
        )
    return KeyFile(Path(given))


def _of_file(path: Path) -> Signer | str:
    content = _content(path)
    if isinstance(content, str):
        return content
    try:
        members = tomllib.loads(content.decode())
    except (ValueError, RecursionError):  # their messages may quote what they choke on
        return 'it is no TOML: two lines, api_key = ".." and api_secret = "..", with the quotes'
    if set(members) - set(IN_FILE):
        return "it has more than api_key and api_secret: put nothing else into it"
    if not all(isinstance(value, str) for value in members.values()):
        return "api_key and api_secret are texts in quotes"
    return _pair(IN_FILE, members)


def _content(path: Path) -> bytes | str:
    """The bytes of a file that is its owner's alone, asked of the file that was opened; else what
    is wrong."""
    try:
        with open(path, "rb", opener=_open) as file:
            return _access(os.fstat(file.fileno())) or file.read(LARGEST_FILE)
    except (OSError, ValueError) as error:  # ValueError: a name with a null in it
        return f"it cannot be read: {getattr(error, 'strerror', None) or 'no such name'}"


def _open(path: str, flags: int) -> int:
    """A pipe would keep us waiting for somebody who writes."""
    return os.open(path, flags | os.O_NONBLOCK)


def _access(status: os.stat_result) -> str:
    """What is wrong with a file as a place for keys; empty if nothing is."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a file: write the keys into one"
    if status.st_uid != os.geteuid():
        return f"it belongs to somebody else (user {status.st_uid}): make it yours (chown)"
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        return f"others may read or change it (mode {mode:04o}): chmod 600, and better new keys"
    if status.st_size > LARGEST_FILE:
        return f"it has {status.st_size} bytes: that is no key file"
    return ""


def _pair(names: Names, texts: Mapping[str, str]) -> KeyPair | str:
    key, secret = (texts.get(name, "").strip() for name in names)
    return _problem(names, key, secret) or KeyPair(key, secret)


def _problem(names: Names, key: str, secret: str) -> str:
    """What is wrong with two texts as a pair; empty if nothing is."""
    if not key and not secret:
        return f"{names.key} and {names.secret} are missing: {HOW}"
    for name, text, other in ((names.key, key, names.secret), (names.secret, secret, names.key)):
        if not text:
            return f"{name} is missing, while {other} is there: both are needed"
        if problem := _decoded(name, text):
            return problem
    if key == secret:
        return f"{names.key} and {names.secret} are the same: the one is public, the other secret"
    if Signer(_bytes(secret)).public == _bytes(key):
        return ""
    if Signer(_bytes(key)).public == _bytes(secret):
        return f"{names.key} and {names.secret} are swapped: the secret stands where the key goes"
    return f"{names.key} does not belong to {names.secret}: take both of the same pair"


def _decoded(name: str, text: str) -> str | None:
    """What keeps a text from being 32 bytes in base64; None if nothing does."""
    as_shown = "give it in base64 as the exchange shows it, 44 characters with a = at the end"
    if _HEX.fullmatch(text):
        return f"{name} is in hex: {as_shown}"
    if not _BASE64.fullmatch(text):
        return f"{name} is not base64: {as_shown}"
    if len(text) % 4:
        return f"{name} is not whole, {len(text)} characters: {as_shown}"
    size = len(_bytes(text))
    if size == 2 * KEY_BYTES:
        return f"{name} has 64 bytes, perhaps seed and public key in one: {as_shown}, 32 bytes"
    if size != KEY_BYTES:
        return f"{name} has {size} bytes instead of {KEY_BYTES}: {as_shown}"
    return None


def _is_key(text: str) -> bool:
    """Whether it is one, or has one in it and is the name of no file."""
    if _HEX.fullmatch(text) is not None or _decoded("", text) is None:
        return True
    has_one = _SHOWN.search(text) is not None or _BARE.fullmatch(text) is not None
    return has_one and not os.path.exists(text)


def _bytes(text: str) -> bytes:
    return b64decode(text)
