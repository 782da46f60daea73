"""``bp-record`` with keys: what is refused before anybody is asked anything, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from recorder.cli import record
from tests.recorder import plain
from tests.recorder.commands import ENVIRONMENT, Ended, bp_record, options, venue
from tests.recorder.pairs import ALICE, BOB, Pair, replace, shown

WHOLE, USAGE, LOSSES = 0, 2, 3
ORDERS = "account.orderUpdate"


class Wrong(NamedTuple):
    """Arguments and environment that cannot be, and what the message must have."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    says: tuple[str, ...]


def environment(pair: Pair) -> dict[str, str]:
    """Of a process with keys."""
    return {"BP_API_KEY": pair.key, "BP_API_SECRET": pair.secret}


def wrongs(folder: Path) -> dict[str, Wrong]:
    """Each for an option, a configuration, or an environment."""
    good = str(ALICE.write(folder / "good"))
    open_ = str(ALICE.write(folder / "open", 0o644))
    other = str(Pair(BOB.key, ALICE.secret).write(folder / "other"))
    bad = str(replace(folder / "bad", "api_key"))
    inline = replace(folder / "inline", f'keys = {{ api_secret = "{ALICE.secret}" }}')
    named = replace(folder / "named", f'keys = "{other}"')
    mixed, ordinary = Pair(ALICE.key, BOB.secret), ("--topics", "depth.SOL_USDC")
    swapped = Pair(ALICE.secret, ALICE.key)
    private = ("--topics", ORDERS)
    return {
        "missing": Wrong((*private, "--keys", good + "x"), {}, ("goodx", "No such file")),
        "open": Wrong((*private, "--keys", open_), {}, (open_, "0644", "chmod 600")),
        "no pair": Wrong((*private, "--keys", other), {}, (other, "does not belong")),
        "bad": Wrong((*private, "--keys", bad), {}, (bad, "is no TOML")),
        "not needed": Wrong((*ordinary, "--keys", bad), {}, (bad, "is no TOML")),
        "both": Wrong((*private, "--keys", good), environment(BOB), ("two places", "BP_API_KEY")),
        "itself": Wrong((*private, "--keys", ALICE.secret), {}, ("revoke it", "BP_API_KEY")),
        "half": Wrong(private, {"BP_API_KEY": ALICE.key}, ("BP_API_SECRET is missing",)),
        "swapped": Wrong(private, environment(swapped), ("swapped",)),
        "mixed": Wrong(private, environment(mixed), ("BP_API_KEY does not belong",)),
        "inline": Wrong((*private, "--config", str(inline)), {}, ("name of a key file",)),
        "config": Wrong((*private, "--config", str(named)), {}, (other, "does not belong")),
    }


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where somebody would be connected to; at the end nobody was."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"://127.0.0.1:{server.getsockname()[1]}"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_wrong_keys_are_refused_before_connecting(nobody: str, tmp_path: Path) -> None:
    """With a message that helps and does not show them; nothing is left behind."""
    urls = ("--ws-url", "ws" + nobody, "--rest-url", "http" + nobody)
    data = tmp_path / "tape"
    for name, wrong in wrongs(tmp_path).items():
        arguments = [*urls, "--data", str(data), *wrong.arguments]
        result = CliRunner().invoke(record, arguments, env=wrong.environment)
        assert result.exit_code == USAGE, (name, result)
        assert [text for text in wrong.says if text not in result.stderr] == [], result.stderr
        assert result.stderr.startswith("error: "), result.stderr
        assert not shown(result.output + repr(result.exception), *ALICE, *BOB), name
    ended = bp_record(*urls, "--data", str(data), "--topics", ORDERS, "--keys", str(tmp_path))
    assert (ended.code, ended.out, "Is a directory" in ended.err) == (USAGE, "", True)
    assert not data.exists()


def run(data: Path, *topics: str, accepted: Pair, keys: dict[str, str]) -> Ended:
    """Record a second of a venue that accepts these, with those in the environment."""
    with venue("--feed", "sim", "--seconds", "1", "--key", accepted.key) as far_end:
        arguments = [*options(far_end, data, *topics), "--duration", "1s"]
        result = CliRunner().invoke(record, arguments, env={**ENVIRONMENT, **keys})
    return Ended(result.exit_code, result.stdout, result.stderr)


def test_keys_of_the_environment(tmp_path: Path) -> None:
    """All is well, and nothing of them is anywhere."""
    ended = run(tmp_path, "account.*", accepted=ALICE, keys=environment(ALICE))
    assert ended.code == WHOLE, ended
    assert ["never heard of", ORDERS] in ended.lines
    assert len(plain.payloads(tmp_path, "sent")) == 4
    assert not shown(ended.out + ended.err + repr(plain.frames(tmp_path)), *ALICE)


def test_what_is_refused_to_the_end_ends_with_losses(tmp_path: Path) -> None:
    """Named at once and at the end."""
    ended = run(tmp_path, ORDERS, accepted=BOB, keys=environment(ALICE))
    assert ended.code == LOSSES, ended
    assert f"{ORDERS} was refused (4003 Invalid signature)" in ended.err
    (line,) = [line for line in ended.lines if line[0] == "refused to the end"]
    assert line[1] == ORDERS
    assert not shown(ended.out + ended.err, *ALICE, *BOB)
