"""A child process that does not outlive the process that started it, however that one ends."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_LIBC = ctypes.CDLL(None)  # loaded here, as a child between fork and exec may not


def kill_with_parent(parent: int) -> None:
    """Have Linux kill this process when the thread that started it ends, also by SIGKILL.

    To be called first of all in the child. It holds for a program that this process becomes, too.
    Elsewhere than on Linux only a parent that has ended already is seen.

    Args:
        parent: process ID of the parent.
    """
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # which ended before it was asked
        os._exit(1)
