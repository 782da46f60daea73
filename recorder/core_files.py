"""Core files: the memory of a process that holds keys has them, so it is not to be written down."""

import ctypes
import os
import resource
import sys

from recorder.keys import IN_ENVIRONMENT

_PR_SET_DUMPABLE = 4  # of prctl(2)


def forbid_core_files() -> None:
    """This process leaves no core file from here on, nor do those that it starts.

    The limit is not asked where core files go to a program, such as systemd-coredump; there Linux
    is told so by another way, which means as well that no debugger can be attached.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keyless_environment() -> dict[str, str]:
    """For processes that need no keys."""
    return {name: value for name, value in os.environ.items() if name not in IN_ENVIRONMENT}
