"""Every input that was kept goes through its target again: the corpora, and all that was found."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import FINDS
from tests.fuzz.seeds import CORPUS, SEEDS
from tests.fuzz.targets import TARGETS

LARGEST_CORPORA = 200_000  # bytes, of all in git


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name: str) -> None:
    paths = sorted((CORPUS / name).iterdir())
    assert paths
    for path in paths:
        TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_can_be_made(name: str) -> None:
    """From the recordings as they are."""
    for data in SEEDS[name]():
        TARGETS[name](data)


@pytest.mark.parametrize("path", sorted(FINDS.iterdir()), ids=lambda path: str(path.name))
def test_what_was_found_is_mended(path: Path) -> None:
    """Its name begins with that of its target."""
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


def test_a_journal_of_beginnings_is_no_trap() -> None:
    """Each says that a block ends where that of the next begins: to walk on from every one of them
    takes minutes. No fuzzer comes upon it with inputs of 16 KB."""
    header = b"\x28\xb5\x2f\xfd\xa4" + (60_000_000).to_bytes(4, "little")
    block = len(header) << 3
    TARGETS["journal"](b"\0" + 10_000 * (header + block.to_bytes(3, "little")))


def test_the_corpora_are_small() -> None:
    assert (
        sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST_CORPORA
    )
