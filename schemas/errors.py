"""One small tree of errors. Each message names the thing, gives the numbers, says what to do."""


class BackpackError(Exception):
    """Base of everything this project raises on purpose; the commands print it and exit 1."""


class UsageError(BackpackError):
    """What the user asked for cannot be; the commands exit 2."""


class TopicError(UsageError):
    """A topic that cannot exist, with the nearest names that can."""


class ConfigError(UsageError):
    """A configuration file or option value that cannot be used."""


class NotARecording(UsageError):
    """A folder that holds no recording."""


class TapeError(BackpackError):
    """Something on disk is not as a recording should be: damaged, missing, or too new."""


class TooNew(TapeError):
    """A later version wrote it, and it may mean what this one does not know."""


class TapeLocked(TapeError):
    """Another recorder is writing into the same folder."""


class VenueError(BackpackError):
    """The venue cannot be reached, or answers in a way nothing can be made of."""


class InexactNumber(ValueError):
    """A decimal text that does not fit the column exactly. Never rounded: it becomes a reject."""
