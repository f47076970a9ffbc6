"""Command lines, read as programs read them."""

import pytest
from absl import flags
from absl.testing import flagsaver


@pytest.fixture
def command_line():
    """Reads a command line into absl's registry; what a test defines there goes when it ends."""
    was_parsed = flags.FLAGS.is_parsed()
    with flagsaver.flagsaver():
        yield lambda *arguments: flags.FLAGS(["program", *arguments])
    if not was_parsed:
        flags.FLAGS.unparse_flags()
