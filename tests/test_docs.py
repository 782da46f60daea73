"""The pages that are made from the code are those of this code."""

from tests.docs import PAGE, page


def test_tables_page_is_current() -> None:
    """After a change of a row class: ``python -m tests.docs``."""
    assert PAGE.read_text() == page()
