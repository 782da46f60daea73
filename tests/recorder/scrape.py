"""Reads what a recorder serves as a stranger would: lines of text, and nothing of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

_LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
PATIENCE_S = 60.0


class Scraped(NamedTuple):
    """types, helps: by metric. values: by name of the sample and its labels, sorted."""

    types: dict[str, str]
    helps: dict[str, str]
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def value(self, name: str, **labels: str) -> float:
        """Of a sample of the recorder; fails where there is none."""
        return self.values[f"backpack_recorder_{name}", tuple(sorted(labels.items()))]

    def by(self, name: str, label: str) -> dict[str, float]:
        """The samples of a metric of the recorder with one label that are not 0, by that label."""
        found = {}
        for (sample, labels), value in self.values.items():
            if sample == f"backpack_recorder_{name}" and value:
                ((key, text),) = labels
                assert key == label
                found[text] = value
        return found

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """A histogram of the recorder: counts up to each bound."""
        found = {}
        for (sample, pairs), value in self.values.items():
            rest = dict(pairs)
            bound = rest.pop("le", "")
            if sample == f"backpack_recorder_{name}_bucket" and rest == labels:
                found[float(bound)] = value
        return found


def parse(text: str) -> Scraped:
    """All of it; fails where it is not as it should be: each metric together, behind its HELP and
    TYPE, no sample twice."""
    scraped = Scraped({}, {}, {})
    assert text.endswith("\n")
    metric = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, metric, about = line.split(" ", 3)
            assert metric not in scraped.helps
            scraped.helps[metric] = about
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == metric
            scraped.types[metric] = line.split(" ")[3]
        else:
            name, labels, value = _sample(line)
            assert name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") in (
                metric,
                name,
            )
            assert name == metric or scraped.types[metric] == "histogram"
            assert (name, labels) not in scraped.values
            scraped.values[name, labels] = value
    return scraped


def _sample(line: str) -> tuple[str, tuple[tuple[str, str], ...], float]:
    match = _LINE.fullmatch(line)
    assert match is not None, line
    return match[1], tuple(sorted(_labels(match[2] or ""))), float(match[3])


def _labels(text: str) -> Iterator[tuple[str, str]]:
    for key, value in _LABEL.findall(text):
        yield key, _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], value)


class Page(NamedTuple):
    """A reply of HTTP."""

    status: int
    body: str
    kind: str


def get(port: int, path: str) -> Page:
    """A page, whatever its status; in a thread, if the server is in this process."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as reply:
            return Page(reply.status, reply.read().decode(), reply.headers["Content-Type"])
    except HTTPError as error:
        with error:
            return Page(error.code, error.read().decode(), error.headers["Content-Type"])


def scrape(port: int) -> Scraped:
    """Its metrics."""
    page = get(port, "/metrics")
    assert (page.status, page.kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return parse(page.body)


def reasons(port: int) -> dict[str, str]:
    """What is wrong with it, by reason; empty if it is well."""
    page = get(port, "/healthz")
    told: dict[str, Any] = json.loads(page.body)
    if page.status == 200:
        assert told == {"status": "ok"}
        return {}
    assert (page.status, told["status"], bool(told["reasons"])) == (503, "unwell", True)
    return {one["reason"]: one["detail"] for one in told["reasons"]}
