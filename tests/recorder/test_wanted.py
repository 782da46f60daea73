"""What names and patterns asked for and off come to, against a list of all that was ever said."""

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from recorder.catalogue import Catalogue, Market
from recorder.wanted import Wanted

SYMBOLS = ("A_USDC", "B_USDC", "B_USDC_PERP")
TEXTS = [
    f"{channel}.{market}" for channel in ("depth", "trade") for market in (*SYMBOLS, "*", "B*")
]
SAID = st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(TEXTS), max_size=3)), max_size=8)
MARKETS = st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from(["Open", "Closed"]))


@given(SAID, st.lists(MARKETS, min_size=1, max_size=3))
def test_the_last_word_on_a_topic_counts(
    said: list[tuple[bool, list[str]]], lists: list[dict[str, str]]
) -> None:
    """Whatever is listed when; what is asked for comes back with its market."""
    wanted = Wanted()
    for is_wanted, texts in said:
        (wanted.add if is_wanted else wanted.drop)(texts)
    words = [(text, is_wanted) for is_wanted, texts in said for text in texts]
    for listed in lists:
        catalogue = Catalogue(Market(symbol, None, state) for symbol, state in listed.items())
        expected = set()
        for channel in ("depth", "trade"):
            for symbol, state in listed.items():
                name = f"{channel}.{symbol}"
                verdicts = [is_wanted for text, is_wanted in words if fnmatchcase(name, text)]
                if state == "Open" and verdicts and verdicts[-1]:
                    expected.add(name)
        names = wanted.names(catalogue)
        assert set(names) == expected
        assert len(names) == len(expected)
    last = dict(words)
    assert set(wanted.texts) == {text for text, is_wanted in last.items() if is_wanted}
    assert all(wanted.has(text) == last.get(text, False) for text in TEXTS)
