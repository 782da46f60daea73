"""One `Account` per link: the account streams have to be requested on each connection."""

from collections.abc import Callable

from recorder.account import Account, Refusal, Timestamps
from recorder.core_files import forbid_core_files
from recorder.intake import Intake
from recorder.settings import Settings

Notice = Callable[[str], None]


class Accounts:
    """One `Account` for each link. No signature is made twice by them."""

    def __init__(self, settings: Settings, intake: Intake, notice: Notice) -> None:
        self._settings = settings
        self._intake = intake
        self._notice = notice
        self._times = Timestamps(intake.clock)
        self._each: list[Account] = []

    @property
    def refused(self) -> dict[str, Refusal]:
        """Topics that are not as they are wanted on some connection, and why."""
        return {name: no for account in self._each for name, no in account.refused.items()}

    def check(self) -> None:
        """Raises ConfigError where there are keys that cannot be used."""
        if self._settings.keys is not None:
            forbid_core_files()
            self._settings.keys.read()

    def join(self) -> Account:
        """For one more link."""
        account = Account(self._settings, self._intake, self._notice, self._times)
        self._each.append(account)
        return account

    def leave(self, account: Account) -> None:
        """Its link is no more."""
        self._each.remove(account)
        if self._each:
            self._each[-1].inherit(account)
