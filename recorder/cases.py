"""What is known about each silent topic: its state, and what other streams and REST tell of it."""

from collections import Counter
from dataclasses import dataclass

from market.engine import Engine
from recorder.asked import Ask, Asked
from recorder.cadences import Asks
from recorder.judge import Evidence, Word
from recorder.marks import Mark, heard_mark
from recorder.questions import Answer, Questions, path_of
from recorder.traffic import Traffic
from schemas.frames import Judgement, Moment

QUOTES = "bookTicker"


@dataclass(slots=True)
class Case:
    """A topic that is silent.

    since: its last message, or the request for it. begin: since when it is looked at so: that, or
        a request made since; monotonic, as all times here, ns.
    base: how far it had come. ahead: since when the venue is known to be further.
    judgement: None while there is none; its evidence and what was done about it.
    checked: when it was judged last; answers from before are old. due: when to judge again.
    tries: what was done so far; redialled: a new connection, too. looks: how often nothing new was
        found.
    """

    since: Moment
    begin: int
    base: Mark | None = None
    ahead: int | None = None
    ahead_by: str = ""
    judgement: Judgement | None = None
    evidence: str = ""
    action: str = ""
    checked: int = 0
    due: int = 0
    tries: int = 0
    redialled: bool = False
    looks: int = 0

    def begin_anew(self, begin: int) -> None:
        """It was asked for again, or on another connection: what was compared counts no more. What
        was done about it counts, and so the next time is as far away as it was."""
        self.begin, self.base, self.ahead = begin, None, None
        self.checked = 0
        if self.judgement is not Judgement.DEAD:
            self.due = 0

    def pause(self, patience_ns: int, most: int, longest_ns: int) -> int:
        """Until a topic that is not dead is judged again, ns: its patience, doubled each time that
        nothing new was found, up to so many times that, and so long; but no less than that."""
        later = patience_ns * growing(self.looks, most)
        return min(later, max(longest_ns, patience_ns))


def growing(count: int, most: int) -> int:
    """What a delay is multiplied with when it comes again."""
    return min(1 << min(count, 30), most)


class Outlook:
    """All topics at one moment. now: monotonic, ns."""

    def __init__(self, asked: Asked, traffic: Traffic, now: int) -> None:
        self.now = now
        self._traffic = traffic
        self._talking: Counter[str] = Counter()
        self._steady: set[str] = set()
        self._others = len(asked.topics) - 1
        for name, ask in asked.topics.items():
            newest = traffic.newest(name)
            if newest is not None and now - newest.ts_mono <= ask.patience_ns:
                self._talking[ask.topic.channel] += 1
            if ask.cadence.speaks and not ask.cadence.foreign:
                self._steady.add(ask.topic.symbol)

    def evidence(self, name: str, ask: Ask) -> Evidence:
        """What can be seen without asking."""
        cadence, heard, newest = ask.cadence, self._traffic.heard, self._traffic.newest(name)
        talks = heard is not None and self.now - heard <= ask.patience_ns
        return Evidence(
            speaks=cadence.speaks,
            foreign=cadence.foreign,
            can_ask=cadence.asks is not Asks.NOTHING,
            was_heard=newest is not None and newest.ts_mono > ask.at.ts_mono,
            line_talks=talks,
            is_lone=not self._steady - {ask.topic.symbol},
            others=self._others,
            peers=self._talking[ask.topic.channel],
        )


class Witnesses:
    """Those that can tell how far the venue is."""

    def __init__(
        self, engine: Engine, traffic: Traffic, asked: Asked, questions: Questions
    ) -> None:
        self._engine = engine
        self._traffic = traffic
        self._asked = asked
        self._questions = questions

    def settle(self, name: str, ask: Ask, case: Case) -> None:
        """Learn how far a topic had come, where it has ids: by what it said last; or, where it has
        said nothing, by an answer since it was asked for."""
        newest = self._traffic.newest(name)
        if newest is not None and newest.ts_mono > ask.at.ts_mono:
            case.base = heard_mark(newest)
        elif (answer := self._answer(ask, case.begin)) is not None and answer.mark is not None:
            case.base, case.checked = answer.mark, answer.landed

    def look(self, name: str, ask: Ask, case: Case) -> None:
        """See whether another stream of the market has gone on, or REST has told somebody else that
        it is further, which costs nothing."""
        if case.base is not None and case.ahead is None:
            found = self._sibling(name, ask, case.begin, case.base)
            case.ahead, case.ahead_by = found or (None, "")
            self._hear(case, self._answer(ask, max(case.begin, case.checked)))

    def word(self, ask: Ask, case: Case) -> tuple[Word, str]:
        """What the venue says of a silent topic; one that it is ahead of stays so."""
        answer = self._answer(ask, max(case.begin, case.checked))
        if answer is not None and answer.word is Word.NO_MARKET:
            return answer.word, answer.detail
        mark = None if answer is None else answer.mark
        self._hear(case, answer)
        if case.ahead is not None:
            return Word.AHEAD, case.ahead_by
        if answer is None:
            return Word.UNASKED, ""
        if answer.word is Word.LISTED and mark is not None and case.base is not None:
            return Word.SAME, f"{answer.detail}, as it was"
        if mark is not None:
            case.base, case.checked = mark, answer.landed
        return answer.word, answer.detail

    def _hear(self, case: Case, answer: Answer | None) -> None:
        """An answer of REST may show that the venue is further."""
        mark = None if answer is None else answer.mark
        if case.ahead is None and answer and mark and case.base and mark.is_ahead(case.base):
            case.ahead, case.ahead_by = answer.landed, _apart("REST", mark.id, case.base)

    def _sibling(self, name: str, ask: Ask, begin: int, base: Mark) -> tuple[int, str] | None:
        """Another stream of the market that has gone on; since when that is known, and its words.
        A best price is told by the book alone, as the other ids need not change it."""
        newer = {}
        for other in self._asked.numbered(ask.topic.symbol):
            newest = self._traffic.newest(other)
            if newest is not None and newest.ts_mono > begin and other != name:
                newer[other] = newest
        if newer and ask.topic.channel == QUOTES:
            book = self._engine.book(ask.topic.symbol)
            if book and Mark(book.last_update_id, book.touch()[1:]).is_ahead(base):
                since = max(newest.ts_mono for newest in newer.values())
                return since, _apart("the book", book.last_update_id, base)
        elif ask.topic.channel == "depth":
            for other, newest in newer.items():
                if (mark := heard_mark(newest)) is not None and mark.id > base.id:
                    return newest.ts_mono, _apart(other, mark.id, base)
        return None

    def _answer(self, ask: Ask, after: int) -> Answer | None:
        """One to a question that was asked after that."""
        answer = self._questions.answer(path_of(ask.cadence.asks, ask.topic.symbol))
        if answer is None or answer.asked <= after:
            return None
        lacks_best = answer.mark is not None and answer.mark.best is None
        if lacks_best and ask.topic.channel == QUOTES:  # ids alone say nothing of quotes
            return answer._replace(mark=None)
        return answer


def _apart(who: str, update_id: int, base: Mark) -> str:
    return f"{who} is at id {update_id}, the topic at {base.id}"
