"""Looks every second for silent topics, has them judged, and revives the dead ones."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from recorder.asked import Ask, Asked, moment
from recorder.cases import Case, Outlook, Witnesses, growing
from recorder.intake import Intake
from recorder.judge import Finding, Word, judge
from recorder.questions import Questions
from recorder.redials import Redials
from recorder.settings import Patience
from recorder.silence_words import Notice, tell
from recorder.traffic import Traffic
from schemas.frames import Judgement, Kind, Moment, SilenceNoted, to_json

AGAIN, RECONNECT = "subscribe again", "reconnect"
LATE_S = 5.0  # where a look comes so late, nothing was read meanwhile: that is to be read first
QUESTIONS = 2  # asked in one look at most, of the 5 requests a second that the venue likes
LONGEST_EVIDENCE = 200  # it may have words of the venue
# To how many times the first delay the later ones grow: of a patience, and of remedies.
QUIET_LONGEST, UNKNOWN_LONGEST, DEAD_LONGEST = 15, 4, 60
LONGEST_S = 900.0  # and no later, as a topic that is dropped while it is quiet is found so late


class Remedies(NamedTuple):
    """What can be done: ask for topics again, have other connections instead, saying why, with the
    old ones kept until the new ones are up; or, where nothing comes on them, hang up first."""

    again: Callable[[Sequence[str]], Awaitable[None]]
    renew: Callable[[str], Awaitable[None]]
    hang_up: Callable[[str], Awaitable[None]]


class Vigil:
    """Looks every second. A verdict is taped where it is another one, or something is done, and
    when the silence ends.

    remedies: None to only tell. notice: gets lines for people.

    A topic that is dead is asked for again; if that does not help, the connection is replaced. A
    SUBSCRIBE alone does for a server that has forgotten us; one that has not must not send twice
    for it (protocol section 1), and an UNSUBSCRIBE before would hide what was missed.
    """

    def __init__(
        self, intake: Intake, traffic: Traffic, questions: Questions, patience: Patience
    ) -> None:
        self.remedies: Remedies | None = None
        self.notice: Notice = lambda text: None
        self._intake = intake
        self._traffic = traffic
        self._questions = questions
        self._patience = patience
        self._grace_ns = int(patience.grace * 1e9)
        self._late_ns = int((patience.look + LATE_S * patience.silence) * 1e9)
        self._longest_ns = int(LONGEST_S * patience.silence * 1e9)
        self._asked = Asked(patience.silence)
        self._witnesses = Witnesses(intake.engine, traffic, self._asked, questions)
        self._cases: dict[str, Case] = {}
        self._redials = Redials(int(patience.redial * 1e9))
        self._floor = self._looked = intake.clock().ts_mono
        self._resumed = -self._grace_ns  # from a time in which the event loop stood still
        self._left = 0
        self._again: list[str] = []
        self._redial = ""  # why
        self._whole = False  # and whether nothing comes at all
        self._told: list[tuple[str, Case]] = []
        intake.listeners += (self._asked.hear, questions.hear)

    @property
    def silences(self) -> list[tuple[str, SilenceNoted]]:
        """Those that are on the tape and not their end, by topic; with it where that is known."""
        found: list[tuple[str, SilenceNoted]] = []
        for name, case in self._cases.items():
            if case.judgement is not None:
                noted = SilenceNoted(case.judgement, case.evidence, case.action, case.since)
                dropped, woken = self._asked.dropped.get(name), self._traffic.woken(name)
                if woken is not None:
                    noted = _ended(case, Judgement.HEARD, moment(woken))
                elif dropped is not None:
                    noted = _ended(case, Judgement.UNSUBSCRIBED, dropped)
                found.append((name, noted))
        return found

    def adopt(self, name: str, noted: SilenceNoted) -> None:
        """A silence that another process has found and that goes on: its next message ends it."""
        case = self._cases[name] = Case(noted.since, noted.since.ts_mono)
        case.judgement, case.evidence = noted.judgement, noted.evidence
        case.action = noted.action
        self._traffic.wait_for(name)

    def repeat(self, name: str) -> None:
        """Tape the verdict of a silence again, unless that has ended by now."""
        if self._traffic.woken(name) is None:
            self._note(name, self._cases[name])

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._questions.run())
            while True:
                await asyncio.sleep(self._patience.look)
                self._look()
                await self._act()
                tell(self.notice, self._told)
                self._told.clear()

    def _look(self) -> None:
        now = self._intake.clock().ts_mono
        if not self._intake.takes_all:
            self._floor = now  # what was not taken is no silence
        if now - self._looked > self._late_ns:
            self._resumed = now
        self._looked, self._left = now, QUESTIONS
        if self._intake.held is not None:
            return  # what is found now may be found in another process's stead
        for name, at in self._asked.dropped.items():
            self._end(name, Judgement.UNSUBSCRIBED, at)
        self._asked.dropped.clear()
        if now - self._resumed < self._grace_ns:
            return
        outlook = Outlook(self._asked, self._traffic, now)
        topics = self._asked.topics
        self._questions.touches = {
            ask.topic.symbol for ask in topics.values() if ask.topic.channel == "bookTicker"
        }
        for name, ask in topics.items():
            self._watch(name, ask, outlook)
        if not any(case.judgement is Judgement.DEAD for case in self._cases.values()):
            self._redials.calm(now)

    def _watch(self, name: str, ask: Ask, outlook: Outlook) -> None:
        case, newest = self._cases.get(name), self._traffic.newest(name)
        woken = self._traffic.woken(name)
        if case is not None and case.judgement is not None and woken is not None:
            self._end(name, Judgement.HEARD, moment(woken))
            case = None
        heard = newest is not None and newest.ts_mono > ask.at.ts_mono
        since = moment(newest) if newest is not None and heard else ask.at
        begin = max(since.ts_mono, self._floor)
        if case is not None and case.begin != begin:
            case.begin_anew(begin)
        if outlook.now - begin <= ask.patience_ns:
            if case is not None and case.judgement is None:
                del self._cases[name]
            elif case is not None and case.judgement is Judgement.DEAD:
                self._prepare(name, ask, case, outlook.now)
            return
        if case is None:
            case = self._cases[name] = Case(since, begin)
        if not ask.cadence.speaks:
            self._compare(name, ask, case)
        if outlook.now >= case.due:
            self._weigh(name, ask, case, outlook)

    def _prepare(self, name: str, ask: Ask, case: Case, now: int) -> None:
        """It was asked for again: to compare with later, learn how far the venue is by now."""
        if ask.cadence.speaks or case.base is not None:
            return
        if case.checked == 0 and self._left:
            self._left -= 1
            case.checked = now
            self._questions.ask(ask.cadence.asks, ask.topic.symbol)
        self._witnesses.settle(name, ask, case)

    def _compare(self, name: str, ask: Ask, case: Case) -> None:
        """With other streams of the market, at each look, also while it counts as quiet."""
        if case.base is None:
            self._witnesses.settle(name, ask, case)
        if case.ahead is None:
            self._witnesses.look(name, ask, case)
            if case.ahead is not None:
                case.due = min(case.due, case.ahead + self._grace_ns)

    def _weigh(self, name: str, ask: Ask, case: Case, outlook: Outlook) -> None:
        word, detail = self._witnesses.word(ask, case)
        if word is Word.AHEAD and outlook.now - (case.ahead or 0) > self._grace_ns:
            word = Word.OVERDUE
        seen = outlook.evidence(name, ask)._replace(word=word, detail=detail)
        finding = judge(seen)
        if finding is not None:
            self._find(name, ask, case, finding)
        elif word in (Word.UNASKED, Word.LISTED) and seen.can_ask and self._left:
            self._left -= 1
            self._questions.ask(ask.cadence.asks, ask.topic.symbol)
            case.due = outlook.now + self._grace_ns

    def _find(self, name: str, ask: Ask, case: Case, finding: Finding) -> None:
        """A verdict. That nothing came since it was subscribed says less than any before."""
        now, judgement = self._looked, finding.judgement
        case.checked = now
        if judgement is Judgement.DEAD:
            action = self._remedy(name, case, finding)
            case.due = now + self._grace_ns * growing(case.tries, DEAD_LONGEST)
        else:
            action = ""
            most = UNKNOWN_LONGEST if judgement is Judgement.UNKNOWN else QUIET_LONGEST
            case.due = now + case.pause(ask.patience_ns, most, self._longest_ns)
            case.looks += 1
        vaguer = judgement is Judgement.UNHEARD and case.judgement is not None
        if not vaguer and (judgement, action) != (case.judgement, case.action):
            case.judgement, case.action = judgement, action
            case.evidence = finding.evidence[:LONGEST_EVIDENCE]
            self._note(name, case)

    def _remedy(self, name: str, case: Case, finding: Finding) -> str:
        """What is to be done about a topic that is dead; what was done before if nothing now. One
        that a new connection has not brought back, another one will not bring back either."""
        if self.remedies is None:
            case.tries += 1
            return ""
        wants_redial = finding.whole or (case.tries > 0 and not case.redialled)
        if wants_redial and self._redials.may(self._looked):
            self._redial = self._redial or f"{name}: {finding.evidence}"
            self._whole = self._whole or finding.whole
            case.tries, case.redialled = case.tries + 1, True
            return RECONNECT
        if finding.whole:
            return case.action
        self._again.append(name)
        case.tries += 1
        return case.action or AGAIN

    async def _act(self) -> None:
        """All that this look has found necessary, at once. A new connection gets all topics."""
        names, why, whole = list(self._again), self._redial, self._whole
        self._again.clear()
        self._redial, self._whole = "", False
        if self.remedies is None:
            return
        if why:
            self._redials.done(self._looked)
            await (self.remedies.hang_up if whole else self.remedies.renew)(why)
        elif names:
            await self.remedies.again(names)

    def _note(self, name: str, case: Case, until: Moment | None = None) -> None:
        if case.judgement is None:
            return
        noted = SilenceNoted(case.judgement, case.evidence, case.action, case.since, until)
        self._told.append((name, case))
        if until is None:
            self._traffic.wait_for(name)
        self._intake.take(Kind.SILENCE, to_json(noted), topic=name)

    def _end(self, name: str, judgement: Judgement, until: Moment) -> None:
        """It speaks again, or nobody wants to hear it any more."""
        case = self._cases.pop(name, None)
        if case is None or case.judgement is None:
            return
        noted = _ended(case, judgement, until)
        case.judgement, case.evidence, case.action = judgement, noted.evidence, ""
        self._note(name, case, until)


def _ended(case: Case, judgement: Judgement, until: Moment) -> SilenceNoted:
    was = "" if case.judgement is None else case.judgement.value
    return SilenceNoted(judgement, f"it was {was}", "", case.since, until)
