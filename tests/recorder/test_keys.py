"""Keys: signed as the exchange wants it, refused with a word that helps, and never shown."""

from __future__ import annotations

import copy
import io
import os
import pickle
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace as changed
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback

from recorder import KeyPair, Live
from recorder.keys import KeyEnvironment, KeyFile, key_source
from recorder.settings import Settings
from recorder.signing import Signer
from schemas.errors import ConfigError
from tests.recorder.pairs import ALICE, BOB, PART, Pair, pair, shown

HEX = b64decode(ALICE.secret).hex()
BOTH = b64encode(b64decode(ALICE.secret) + b64decode(ALICE.key)).decode()
URL_SAFE = ALICE.key.replace("/", "_").replace("+", "-")
assert ALICE.key != URL_SAFE

# What is wrong with a pair, and the words that the message must have.
WRONG: dict[str, tuple[Pair, tuple[str, ...]]] = {
    "nothing": (Pair("", ""), ("api_key and api_secret are missing", "BP_API_KEY")),
    "no secret": (Pair(ALICE.key, ""), ("api_secret is missing, while api_key",)),
    "no key": (Pair("", ALICE.secret), ("api_key is missing, while api_secret",)),
    "hex secret": (Pair(ALICE.key, HEX), ("api_secret is in hex", "in base64")),
    "hex key": (Pair("0x" + HEX.upper(), ALICE.secret), ("api_key is in hex", "in base64")),
    "no base64": (Pair(ALICE.key, "$" + ALICE.secret), ("api_secret is not base64",)),
    "url-safe": (Pair(URL_SAFE, ALICE.secret), ("api_key is not base64",)),
    "cut": (Pair(ALICE.key, ALICE.secret[:-1]), ("api_secret is not whole, 43 char",)),
    "short": (Pair(ALICE.key, ALICE.secret[:40]), ("api_secret has 30 bytes instead of 32",)),
    "long": (Pair(ALICE.key[:40] + ALICE.key, ALICE.secret), ("api_key has 62 bytes",)),
    "seed and key": (Pair(ALICE.key, BOTH), ("api_secret has 64 bytes", "public key in one")),
    "same": (Pair(ALICE.key, ALICE.key), ("the same",)),
    "swapped": (Pair(ALICE.secret, ALICE.key), ("swapped",)),
    "two pairs": (Pair(BOB.key, ALICE.secret), ("api_key does not belong to api_secret",)),
}
TOMLS: dict[str, tuple[str, str]] = {
    "no TOML": (f"api_key = {ALICE.key}\napi_secret = {ALICE.secret}\n", "is no TOML"),
    "twice": (ALICE.toml() * 2, "is no TOML"),
    "deep": ("api_key = " + "[" * 10_000, "is no TOML"),
    "more": (ALICE.toml() + f'{HEX} = "{ALICE.secret}"\n', "more than api_key and api_secret"),
    "a table": (f'[api_key]\nx = "{ALICE.secret}"', "texts in quotes"),
    "a number": ("api_key = 1\napi_secret = 2", "texts in quotes"),
    "empty": ("", "are missing"),
    "long": ("#" * 20_000, "20000 bytes"),
}
ACCESS = {0o644: "0644", 0o640: "0640", 0o604: "0604", 0o620: "0620", 0o601: "0601", 0o660: "0660"}


def refused(call: Callable[[], object]) -> str:
    """The message; neither it nor any traceback of it shows a key, with all locals of ours."""
    with pytest.raises(ConfigError) as told:
        call()
    message, out = str(told.value), io.StringIO()
    steps = told.tb
    while steps.tb_frame.f_code.co_filename == __file__ and steps.tb_next is not None:
        steps = steps.tb_next  # tests know the keys
    ours = told.value.with_traceback(steps)
    trace = traceback.TracebackException.from_exception(ours, capture_locals=True)
    view = Traceback.from_exception(
        ConfigError, ours, ours.__traceback__, show_locals=True, locals_max_string=9_999
    )
    Console(file=out, width=500).print(view)
    text = "".join(trace.format()) + out.getvalue() + repr(ours.args)
    seeds = [repr(b64decode(secret))[2:-1] for secret in (ALICE.secret, BOB.secret)]
    assert not shown(text, *ALICE, *BOB, HEX, HEX.upper(), URL_SAFE, *seeds)
    assert "recorder/keys.py" in text
    return message


def test_the_vector_of_the_protocol() -> None:
    """Section 5."""
    keys = KeyPair(
        "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    )
    assert keys.sign(1_700_000_000_000, 5_000) == [
        "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "mxIdZT3relFG10SYkdl4nIzm1LhhlW8oC6qF2MO03/JWvhFiRSeHidCVk8UGX+cyLu3UdxatFYnoPs+ngqkdBQ==",
        "1700000000000",
        "5000",
    ]
    assert keys.sign(1_700_000_000_000) == keys.sign(1_700_000_000_000, 5_000)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**53), st.integers(0, 60_000))
def test_any_pair_signs_what_another_library_takes(seed: bytes, time: int, window: int) -> None:
    texts = pair(seed)
    key, signature, *times = KeyPair(*texts).sign(time, window)
    assert (key, times) == (texts.key, [str(time), str(window)])
    public = Ed25519PublicKey.from_public_bytes(b64decode(key))
    message = f"instruction=subscribe&timestamp={time}&window={window}"
    public.verify(b64decode(signature), message.encode())


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_pair_is_said(name: str, tmp_path: Path) -> None:
    """The same words for a pair, a file and, under other names, the environment."""
    texts, words = WRONG[name]
    path = texts.write(tmp_path / "keys.toml")
    for message in (refused(lambda: KeyPair(*texts)), refused(KeyFile(path).read)):
        assert [word for word in words if word not in message] == [], message
    assert str(path) in message


def test_every_wrong_pair_has_words_of_its_own(tmp_path: Path) -> None:
    """So that one can tell them apart."""
    said = [refused(KeyFile(texts.write(tmp_path / "k")).read) for texts, _ in WRONG.values()]
    assert len(set(said)) == len(said)


@settings(max_examples=30)
@given(st.tuples(st.sampled_from((*ALICE, *BOB, HEX, "")), st.integers(0, 60), st.text(max_size=4)))
@example((ALICE.secret, 44, "="))
def test_no_text_makes_trouble_but_a_word(damage: tuple[str, int, str]) -> None:
    """Whatever is written into a secret."""
    text, at, more = damage
    secret = text[:at] + more + text[at:]
    if secret != ALICE.secret:
        message = refused(lambda: KeyPair(ALICE.key, secret))
        assert "api_secret" in message


@pytest.mark.parametrize("name", TOMLS)
def test_what_is_wrong_with_a_file_is_said(name: str, tmp_path: Path) -> None:
    """Not in the parser's words, which quote what they choke on."""
    text, words = TOMLS[name]
    (path := tmp_path / "keys.toml").write_text(text)
    path.chmod(0o600)
    assert words in refused(KeyFile(path).read)


def test_a_file_that_is_its_owners_alone_is_read_anew_each_time(tmp_path: Path) -> None:
    path = ALICE.write(tmp_path / "keys.toml")
    assert KeyFile(path).read().sign(1)[0] == ALICE.key
    BOB.write(path, 0o400)
    assert KeyFile(path).read().sign(1)[0] == BOB.key
    path.unlink()
    assert "No such file" in refused(KeyFile(path).read)


@pytest.mark.parametrize("mode", ACCESS)
def test_a_file_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    """Through a link too: what counts is the file."""
    path = ALICE.write(tmp_path / "keys.toml", mode)
    (link := tmp_path / "link").symlink_to(path)
    for name in (path, link):
        message = refused(KeyFile(name).read)
        assert ACCESS[mode] in message
        assert "chmod 600" in message
    path.chmod(0o600)
    assert KeyFile(link).read().sign(1)[0] == ALICE.key


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Whoever owns it can replace what is in it."""
    path = ALICE.write(tmp_path / "keys.toml")
    os.chown(path, 12_345, -1)
    assert "user 12345" in refused(KeyFile(path).read)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a file" in refused(KeyFile(tmp_path / "pipe").read)
    assert "Is a directory" in refused(KeyFile(tmp_path).read)
    assert "cannot be read" in refused(KeyFile(tmp_path / "\0").read)
    before = len(os.listdir("/proc/self/fd"))
    refused(KeyFile(tmp_path).read)
    refused(KeyFile(tmp_path / "pipe").read)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_environment_by_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BP_API_KEY", ALICE.key)
    assert "BP_API_SECRET is missing, while BP_API_KEY" in refused(KeyEnvironment().read)
    monkeypatch.setenv("BP_API_SECRET", BOB.secret)
    assert "BP_API_KEY does not belong to BP_API_SECRET" in refused(KeyEnvironment().read)
    monkeypatch.setenv("BP_API_SECRET", ALICE.secret + "\n")
    assert KeyEnvironment().read().sign(1)[0] == ALICE.key


def test_there_is_one_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment is looked at where a topic needs keys; a second source is a mistake."""
    path = ALICE.write(tmp_path / "keys.toml")
    mine = KeyPair(*ALICE)
    assert key_source(["account.*"], None) is None
    assert key_source(["depth.*"], path) == key_source([], str(path)) == KeyFile(path)
    assert key_source(["account.*"], mine) is mine.read() is mine
    monkeypatch.setenv("BP_API_SECRET", "")
    assert key_source(["account.*"], path) == KeyFile(path)
    monkeypatch.setenv("BP_API_SECRET", ALICE.secret)
    assert key_source(["depth.*", "*.*"], None) is None
    assert key_source(["depth.*", "account.orderUpdate.X"], None) == KeyEnvironment()
    for other in (path, mine):
        assert "BP_API_SECRET in the env" in refused(partial(key_source, [], other))


@pytest.mark.parametrize(
    "text",
    [
        *[*ALICE, HEX, f"{ALICE.key[:-1]}=", f" {ALICE.secret}\n", ALICE.secret[:-1], URL_SAFE],
        *[f"api_secret={ALICE.secret}", ":".join(ALICE), f"./{ALICE.secret}", f"0x{HEX} "],
    ],
)
def test_a_key_is_not_taken_for_the_name_of_a_file(text: str) -> None:
    """Nor repeated where others might read it."""
    assert "revoke it" in refused(lambda: key_source([], text))
    assert "revoke it" in refused(lambda: Live([], keys=text))


def test_a_file_may_be_called_like_a_key(tmp_path: Path) -> None:
    path = ALICE.write(tmp_path / f"{HEX}.toml")
    assert key_source([], path) == KeyFile(path)


def test_keys_are_not_shown_or_written_down() -> None:
    """Not by themselves and not in the settings."""
    keys = KeyPair(*ALICE)
    wish = changed(Settings(("account.*",), None), keys=keys)
    views = [repr(keys), str(keys), f"{keys}", repr(wish), str(vars(type(keys)))]
    Console(file=(out := io.StringIO())).print(keys, wish)
    assert not shown("".join(views) + out.getvalue(), *ALICE, repr(bytes(range(32)))[2:-1])
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not to be written down"):
            pickle.dumps(keys, protocol)
    for write in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not to be written down"):
            write(keys)
    assert not hasattr(keys, "__dict__")
    assert isinstance(keys, Signer)


def test_what_is_shown_in_part_is_found() -> None:
    """The check of these tests."""
    assert shown(f"it is {ALICE.secret[5 : 5 + PART]}.", *ALICE) == [ALICE.secret[5 : 5 + PART]]
