"""How the parts of the server say what happens; whoever runs it decides where to."""

from collections.abc import Callable, Mapping

Facts = Mapping[str, object]
Say = Callable[[str, Facts], None]  # the kind of event in a word, and what is to be known of it


def unsaid(event: str, facts: Facts) -> None:
    """For those who do not want to hear it."""
    del event, facts
