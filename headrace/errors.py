"""Errors that a user can cause: each ends a program in one line, with an exit code of its kind."""

# The exit code that says "start me again": EX_TEMPFAIL of sysexits.h.
INTERRUPTED = 75


class UserError(Exception):
    """Something a user can put right. The message names the thing and the remedy, in one line."""

    exit_code = 1


class StoppedError(UserError):
    """Stopped before the end, with everything saved: started again, the program goes on."""

    exit_code = INTERRUPTED


class UsageError(UserError):
    """Flags that are missing, out of range or contradict each other."""

    exit_code = 2


def check(condition: object, message: str) -> None:
    """Raise `UsageError(message)` unless `condition` holds."""
    if not condition:
        raise UsageError(message)
