"""TensorFlow comes late and quietly, and what it says of a failure is not kept back."""

import pytest

from tests.headrace import scripts

PROGRAM = """
import os, sys
from headrace.tensorflow_import import import_tensorflow
{body}
"""

# In place of TensorFlow, which takes seconds: what it does to standard error and to the log level.
CHATTER = """
import os
from absl import logging
os.write(2, b"chatter of the import\\n")
logging.set_verbosity(logging.INFO)
class config:
    def list_physical_devices():
        os.write(2, b"chatter of devices\\n")
        {devices}
"""


def run_script(tmp_path, body: str, **changed):
    return scripts.run_script(tmp_path, PROGRAM.format(body=body), **changed)


def test_tensorflow_starts_without_chatter_and_ends_without_a_search_for_garbage(tmp_path):
    body = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 100_000)); "
        "import_tensorflow(); import tensorflow as tf; print(float(tf.ones([])))"
    )
    finished = run_script(tmp_path, body)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "1.0\nTrue\n", "")


def test_a_failing_import_is_not_silenced(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'the reason')\nraise ImportError('broken')"
    )
    finished = run_script(tmp_path, "import_tensorflow()")
    assert finished.returncode == 1
    assert "the reason" in finished.stderr
    assert "broken" in finished.stderr


@pytest.fixture
def chatty(tmp_path):
    """A folder with a module `tensorflow` that says a lot."""
    (tmp_path / "tensorflow.py").write_text(CHATTER.format(devices="return []"))
    return tmp_path


LEVEL = "import_tensorflow(); print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"


@pytest.mark.parametrize(
    ("level", "shown"),
    [("0", "chatter of the import\n"), ("1", "chatter of the import\n"), ("2", ""), ("3", "")],
)
def test_a_log_level_that_was_given_stays_and_a_low_one_shows_the_chatter(chatty, level, shown):
    finished = run_script(chatty, LEVEL, environment={"TF_CPP_MIN_LOG_LEVEL": level})
    assert (finished.stdout, finished.stderr) == (f"{level}\n", shown)


def test_without_a_log_level_only_errors_are_logged(chatty, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    finished = run_script(chatty, LEVEL)
    assert (finished.stdout, finished.stderr) == ("2\n", "")


def test_standard_error_is_itself_again_and_nothing_stays_open(chatty):
    body = (
        "before = os.fstat(2), sorted(os.listdir('/proc/self/fd')); import_tensorflow(); "
        "print((os.fstat(2), sorted(os.listdir('/proc/self/fd'))) == before); os.write(2, b'ours')"
    )
    finished = run_script(chatty, body)
    assert (finished.stdout, finished.stderr) == ("True\n", "ours")


def test_what_was_said_before_devices_failed_is_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text(CHATTER.format(devices="raise OSError('no driver')"))
    finished = run_script(tmp_path, "import_tensorflow()")
    assert finished.returncode == 1
    assert finished.stderr.startswith("chatter of the import\nchatter of devices\nTraceback")
    assert finished.stderr.endswith("OSError: no driver\n")


def test_the_log_level_of_programs_is_that_of_warnings(chatty):
    body = (
        "from absl import logging; import_tensorflow(); "
        "logging.info('not said'); logging.warning('said')"
    )
    assert run_script(chatty, body).stderr == "WARNING:absl:said\n"
