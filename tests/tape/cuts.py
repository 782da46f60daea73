"""Kills a piece of work at each change it makes to the file system, without a process of its own.

From the chosen change on, none is carried out any more, so nothing can be tidied up either.
"""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Cut(BaseException):
    """The process ends here."""


class _Axe:
    left: int | None = None  # changes that are still carried out; None: all
    fallen = False


def _watch(event: str, details: tuple[Any, ...]) -> None:
    if _Axe.left is None:
        return
    if event in _CHANGES or (event == "open" and details[2] & _WRITES):
        _Axe.left -= 1
        if _Axe.left < 0:
            _Axe.fallen = True
            raise Cut


sys.addaudithook(_watch)


def cut_at(change: int, work: Callable[[], object]) -> bool:
    """Do some work up to its ``change``-th change, from 0; whether it came so far."""
    _Axe.left, _Axe.fallen = change, False
    try:
        work()
    except Cut:
        pass
    finally:
        _Axe.left = None
    return _Axe.fallen


def every_cut(
    prepare: Callable[[], object], work: Callable[[], object], step: int = 1
) -> Iterator[int]:
    """What is left is there to be looked at, once for each ``step``-th change that work makes."""
    for change in count(0, step):
        prepare()
        if not cut_at(change, work):
            return
        yield change
