"""The messages about silent topics: one line for all topics with the same finding."""

from collections.abc import Callable, Sequence

from recorder.cases import Case
from recorder.messages import Level, Message
from schemas.frames import Judgement

Notice = Callable[[str], None]

NAMED = 3  # topics in a line
# The others are to be looked up: bp-record ctl status, the live view, the table silence.
TOLD = {
    Judgement.DEAD: Level.WARNING,
    Judgement.NO_MARKET: Level.WARNING,
    Judgement.UNKNOWN: Level.INFO,
    Judgement.HEARD: Level.INFO,
}


def tell(notice: Notice, changes: Sequence[tuple[str, Case]]) -> None:
    """Say what one look has found: a line for each verdict and action, never one for each topic.
    Of the topics that speak again, only those that were not just quiet."""
    groups: dict[tuple[Judgement, str, str], list[str]] = {}
    for name, case in changes:
        if case.judgement in TOLD and not _was_quiet(case):
            why = case.evidence if case.judgement is Judgement.HEARD else ""
            groups.setdefault((case.judgement, case.action, why), []).append(name)
    reasons = {name: case.evidence for name, case in changes}
    for (judgement, action, _), names in groups.items():
        text = f"{judgement}: {several(names)}: {reasons[names[0]]}"
        text += f"; {action}" if action else ""
        facts = {"verdict": judgement.value, "topics": len(names), "action": action}
        notice(Message(text, "silence", TOLD[judgement], **facts))


def several(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _was_quiet(case: Case) -> bool:
    quiet = (Judgement.QUIET, Judgement.UNHEARD)
    return case.judgement is Judgement.HEARD and case.evidence in {f"it was {q}" for q in quiet}
