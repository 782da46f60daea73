"""The options of ``bp-record`` as people write them, on the command line or in a file."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from recorder.keys import key_source
from recorder.settings import RING_AFTER_S, Listen, OnSilence, Settings, as_url
from schemas.errors import ConfigError
from schemas.shard import Shard
from tape.keep import Keep
from tape.quantities import octets, pretty_size, seconds

Value = TypeVar("Value")

SHORTEST_ROLL_S = 1.0

LEAST_MEMORY = 64_000_000  # bytes: the largest frame has room in it

_OPTIONS = (
    *("topics", "data", "ws_url", "rest_url", "duration", "roll"),
    *("memory", "min_free", "audit_every", "keep", "markets_every", "keys", "ring", "ring_after"),
    *("shard", "silence", "connections"),
    *("metrics_port", "metrics_host", "log_format"),
)
_LISTS = {
    "topics": 'a list, as in ["depth.SOL_USDC"]',
    "keep": 'a text, or a list: ["90d", "500GB"]',
}

_NUMBERS = {"metrics_port", "connections"}
_NO_TEXTS = {*_LISTS, *_NUMBERS}


def read_file(path: Path) -> dict[str, Any]:
    """Options of a TOML file; raises ConfigError."""
    try:
        text = path.read_text()
        values: dict[str, Any] = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # no TOML; nested too deep
        raise ConfigError(f"configuration {path} cannot be read: {error}") from None
    if unknown := set(values) - set(_OPTIONS):
        line = min(_line(text, name) for name in unknown)
        raise ConfigError(
            f"configuration {path}, line {line}: unknown {', '.join(sorted(unknown))};"
            f" there are {', '.join(_OPTIONS)}"
        )
    if isinstance(values.get("keep"), str):
        values["keep"] = [values["keep"]]
    for name, value in values.items():
        where = f"configuration {path}, line {_line(text, name)}"
        if name in _LISTS and not _is_texts(value):
            raise ConfigError(f"{where}: {name} is {_LISTS[name]}")
        if name == "keys" and not isinstance(value, str):
            raise ConfigError(f"{where}: keys is the name of a key file, in quotes")
        if name in _NUMBERS and type(value) is not int:
            raise ConfigError(f"{where}: {name} is a number, not {value!r}")
        if name not in _NO_TEXTS and not isinstance(value, str):
            raise ConfigError(f"{where}: {name} is a text in quotes, not {value!r}")
        if name not in _NUMBERS and any("\0" in part for part in value):
            raise ConfigError(f"{where}: there is a zero byte in {name}")
    return values


def _line(text: str, name: str) -> int:
    """The line of a file in which an option is set; 1 where nobody can tell."""
    found = re.search(rf"""^[ \t]*\[*[ \t]*["']?{re.escape(name)}\b""", text, re.MULTILINE)
    return 1 if found is None else text.count("\n", 0, found.start()) + 1


def settings_of(topics: tuple[str, ...], data: Path, texts: dict[str, Any]) -> Settings:
    """The options as one value; raises ConfigError."""
    names = tuple(name.strip() for text in topics for name in text.split(",") if name.strip())
    ring = _optional(seconds, texts["ring"])
    shard = _optional(Shard.parse, texts["shard"])
    _check_ring(ring, texts)
    settings = Settings(
        topics=names,
        data=data if shard is None else data / shard.folder,
        ws_url=as_url(texts["ws_url"] or "", ("ws", "wss")),
        rest_url=as_url(texts["rest_url"] or "", ("http", "https")),
        duration=_optional(seconds, texts["duration"]),
        roll=seconds("1h" if texts["roll"] is None else texts["roll"]),
        memory=octets(texts["memory"] or ""),
        min_free=_optional(octets, texts["min_free"]),
        audit_every=_optional(seconds, texts["audit_every"]),
        keep=Keep.parse(texts["keep"]) if texts["keep"] else None,
        markets_every=_unless_never(texts["markets_every"] or ""),
        keys=key_source(names, texts["keys"]),
        ring=ring,
        take_over=texts["take_over"],
        ring_after=_ring_after(texts["ring_after"]),
        connections=texts["connections"],
        shard=shard,
        metrics=_listen(texts["metrics_host"], texts["metrics_port"]),
        silence=_silence(texts["silence"]),
    )
    _check(settings, texts)
    return settings


def _check(settings: Settings, texts: dict[str, Any]) -> None:
    """Raises ConfigError for what is too little."""
    if settings.roll < SHORTEST_ROLL_S:
        raise ConfigError(f"--roll {texts['roll']}: sealing could not keep up; 1s is the least")
    if settings.memory < LEAST_MEMORY:
        least = pretty_size(LEAST_MEMORY)
        raise ConfigError(f"--memory {texts['memory']}: large frames need {least} at least")
    if not settings.topics:
        raise ConfigError("nothing to record: name a topic, as in --topics depth.ETH_USDC")


def _check_ring(ring: float | None, texts: dict[str, Any]) -> None:
    """Raises ConfigError for options that make no sense together."""
    if ring is None:
        if texts["ring_after"] is not None:
            raise ConfigError("--ring-after goes with --ring: add it, as --ring 60s")
    elif ring < SHORTEST_ROLL_S:
        raise ConfigError(f"--ring {texts['ring']}: its segments last 1s at least; 60s is usual")
    elif texts["take_over"]:
        raise ConfigError("--take-over does not go with --ring, which starts empty: leave one out")
    elif texts["roll"] is not None:
        raise ConfigError(
            "--roll does not go with --ring, which is cut into sixths: take one of them"
        )


def _unless_never(text: str) -> float | None:
    return None if text == "never" else seconds(text)


def _ring_after(text: str | None) -> float:
    if text is None:
        return RING_AFTER_S
    return 0.0 if text.strip() == "0s" else seconds(text)


def _silence(text: str) -> OnSilence:
    try:
        return OnSilence(text)
    except ValueError:
        raise ConfigError(f"--silence {text}: there are {', '.join(OnSilence)}") from None


def _listen(host: str, port: int | None) -> Listen | None:
    return None if port is None else Listen(host, port)


def _optional(read: Callable[[str], Value], text: str | None) -> Value | None:
    return None if text is None else read(text)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
