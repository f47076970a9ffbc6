"""Errors that a user can cause: a kind for each exit code, and all of them one kind."""

import os

import pytest

from headrace import errors
from headrace.errors import StoppedError, UsageError, UserError


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UserError, 1), (UsageError, 2), (StoppedError, os.EX_TEMPFAIL)],
)
def test_each_kind_has_its_exit_code_and_is_caught_as_a_users(kind, code):
    with pytest.raises(UserError, match=r"^what happened; what to do$") as caught:
        raise kind("what happened; what to do")
    assert caught.value.exit_code == code


def test_a_program_that_is_to_be_started_again_says_so_with_its_code():
    """Launchers compare with the number, and what else ends a program has another."""
    assert StoppedError.exit_code == errors.INTERRUPTED
    assert errors.INTERRUPTED not in (UserError.exit_code, UsageError.exit_code)


@pytest.mark.parametrize("condition", [True, 1, "text", [0]])
def test_what_holds_is_passed_over(condition):
    errors.check(condition, "never said")


@pytest.mark.parametrize("condition", [False, 0, "", [], None])
def test_what_does_not_hold_is_bad_usage_in_these_words(condition):
    with pytest.raises(UsageError, match=r"^`epochs`=0: expected 1 or more$"):
        errors.check(condition, "`epochs`=0: expected 1 or more")
