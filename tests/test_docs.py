"""The pages that are made from the code are those of this code."""

from tests.docs import METRICS_PAGE, PAGE, metrics_page, page


def test_tables_page_is_current() -> None:
    """After a change of a row class: ``python -m tests.docs``."""
    assert PAGE.read_text() == page()


def test_metrics_page_is_current() -> None:
    """After a change of a metric: the same."""
    assert METRICS_PAGE.read_text() == metrics_page()
