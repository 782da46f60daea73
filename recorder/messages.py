"""Messages for people, with an event name and fields for programs."""

from enum import StrEnum


class Level(StrEnum):
    """How bad it is. error: something is or may be lost, or somebody has to act."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Message(str):
    """A line for people that a program can tell from others. A plain text does where there is
    nothing to tell.

    event: what it is about, in a word. facts: its figures, sizes in bytes, spans in ns.
    """

    event: str
    level: Level
    facts: dict[str, object]

    def __new__(
        cls, text: str, event: str = "notice", level: Level = Level.INFO, **facts: object
    ) -> "Message":
        message = super().__new__(cls, text)
        message.event, message.level, message.facts = event, level, facts
        return message

    def reworded(self, text: str) -> "Message":
        """The same in other words."""
        return Message(text, self.event, self.level, **self.facts)

    @classmethod
    def of(cls, text: str) -> "Message":
        """A text as one."""
        return text if isinstance(text, Message) else cls(text)
