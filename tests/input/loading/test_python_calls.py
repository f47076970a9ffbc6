"""Calls from tf.data's threads into Python: several at once, and none when Python ends."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from input.loading import python_calls
from tests.conftest import ROOT

SECONDS = 60


def double(values: np.ndarray) -> np.ndarray:
    return 2 * values


def test_what_a_function_returns_has_the_shape_and_type_that_were_said():
    spec = tf.TensorSpec([3], tf.int64)
    dataset = tf.data.Dataset.range(9).batch(3)
    found = dataset.map(lambda values: python_calls.call(double, [values], spec))
    assert found.element_spec == spec
    assert [batch.tolist() for batch in found.as_numpy_iterator()] == [
        [0, 2, 4], [6, 8, 10], [12, 14, 16]
    ]  # fmt: skip


def test_outside_of_graphs_it_is_called_as_well():
    spec = tf.TensorSpec([2], tf.int64)
    found = python_calls.call(double, [tf.constant([1, 2], tf.int64)], spec)
    np.testing.assert_array_equal(found, [2, 4])


def test_several_values_come_by_the_names_they_were_returned_by():
    output = {
        "sum": tf.TensorSpec([], tf.int64),
        "both": (tf.TensorSpec([2], tf.int64), tf.TensorSpec([], tf.string)),
    }

    def combine(one, other):
        return {"both": (np.array([one, other]), b"%d,%d" % (one, other)), "sum": one + other}

    dataset = tf.data.Dataset.zip(tf.data.Dataset.range(3), tf.data.Dataset.range(5, 8))
    found = dataset.map(lambda *pair: python_calls.call(combine, list(pair), output))
    assert found.element_spec == output
    first = next(found.as_numpy_iterator())
    assert (first["sum"], first["both"][0].tolist(), first["both"][1]) == (5, [0, 5], b"0,5")


def test_an_array_of_another_shape_than_was_said_is_refused():
    spec = tf.TensorSpec([4], tf.int64)
    dataset = tf.data.Dataset.range(3).batch(3)
    found = dataset.map(lambda values: python_calls.call(double, [values], spec))
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(found.as_numpy_iterator())


def test_an_error_of_the_function_ends_the_pipeline_and_no_call_stays_in_flight():
    def fail(values):
        raise ValueError("no such value")

    spec = tf.TensorSpec([], tf.int64)
    found = tf.data.Dataset.range(3).map(lambda value: python_calls.call(fail, [value], spec))
    with pytest.raises(tf.errors.OpError, match="no such value"):
        next(found.as_numpy_iterator())
    assert python_calls.in_flight._count == 0


DETERMINISTIC = """
import threading
import tensorflow as tf
from input.loading import python_calls
tf.config.experimental.enable_op_determinism()
together = threading.Barrier(2)
def wait(value):
    together.wait(60)
    return value
spec = tf.TensorSpec([], tf.int64)
dataset = tf.data.Dataset.range(4)
found = dataset.map(lambda value: python_calls.call(wait, [value], spec), 2, deterministic=True)
print([int(value) for value in found])
"""


def test_two_calls_run_at_once_also_where_operations_are_deterministic():
    finished = subprocess.run(
        [sys.executable, "-c", DETERMINISTIC],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (0, "[0, 1, 2, 3]\n"), finished.stderr


def test_the_end_waits_for_a_call_in_flight_and_refuses_those_that_come_later():
    in_flight, begun, ended = python_calls._InFlight(), threading.Event(), []

    def call() -> None:
        with in_flight:
            begun.set()
            for _ in range(10_000_000):  # longer than the end waits where nothing is in flight
                pass
            ended.append("call")

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(SECONDS)
    in_flight._rest()
    ended.append("program")
    thread.join(SECONDS)
    assert ended == ["call", "program"]
    with pytest.raises(RuntimeError, match="the program has ended"), in_flight:
        pass


def test_a_program_that_ends_amid_reading_ends(prepared):
    """TensorFlow's threads must not call Python while it ends: the process would hang."""
    script = (
        "import sys\n"
        "from input import stream\n"
        "from input.dataset import dataset_dir\n"
        "from input.dataset.reader import Reader\n"
        "from input.preprocessing.spec import Preprocessing\n"
        "from input.sampling.order import Order\n"
        "reader = Reader(sys.argv[1], dataset_dir.read_card(sys.argv[1]), 'train')\n"
        "batches = iter(stream.training(reader, Order(72, 8, 1, 0), Preprocessing((8, 8))))\n"
        "print(next(batches)['label'].shape)\n"
    )
    for _ in range(3):
        finished = subprocess.run(
            [sys.executable, "-c", script, str(prepared)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (finished.returncode, finished.stdout) == (0, "(8,)\n"), finished.stderr
