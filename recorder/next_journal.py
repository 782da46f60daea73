"""Creates the journal of the next segment in advance, so that a roll does not wait for the disk."""

from contextlib import suppress
from pathlib import Path

from recorder.worker import Worker
from tape.journal import JournalWriter
from tape.journal_file import JournalGone
from tape.layout import SegmentName, Tape


class NextJournal:
    """Made before the segment before it has ended, if the disk has room. Kept until it is taken,
    since a roll may have to be tried again. private: only its owner may read it."""

    def __init__(self, tape: Tape, worker: Worker, private: bool) -> None:
        self._tape = tape
        self._worker = worker
        self._private = private
        self._journal: JournalWriter | None = None

    async def take(self, name: SegmentName) -> JournalWriter:
        """A new journal; raises OSError, after which nothing has changed."""
        if self._journal is None:
            await self._worker.do(lambda: self._make(self._tape.journal(name), name.number))
        journal, self._journal = self._journal, None
        assert journal is not None
        return journal

    def drop(self) -> None:
        """In the thread: it was made for a roll that was cancelled."""
        if self._journal is not None:
            self._journal.abandon()
            with suppress(OSError):  # it is empty
                self._journal.path.unlink()
            self._journal = None

    def _make(self, path: Path, number: int) -> None:
        """In the thread. Only the first journal of a session may make the folder: later it is
        there, or its mount has gone, and nothing may be written in its place."""
        if number > 1 and not path.parent.exists():
            raise JournalGone(f"the folder {path.parent} is not there any more (was it unmounted?)")
        if path.exists() and not path.stat().st_size:
            path.unlink()  # of a try that failed half way
        self._journal = JournalWriter(path, private=self._private)
