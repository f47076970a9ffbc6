"""How TensorFlow takes hold of devices, as far as that can be tested without a GPU."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.conftest import ROOT
from trainer.distribution import devices

# In a process of its own: devices are split before anything else of TensorFlow is used.
SPLIT = """
import json, sys
from trainer.distribution import devices
early = "tensorflow" in sys.modules
devices.configure(int(sys.argv[1]), int(sys.argv[2]))
import tensorflow as tf
names = [device.name for device in tf.config.list_logical_devices()]
print(json.dumps({"early": early, "names": names}))
"""

without_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU, which is split instead"
)


@without_gpu
def test_where_there_is_no_gpu_the_cpu_is_split_and_no_limit_of_memory_is_needed():
    """And TensorFlow, which takes seconds, is imported then and not before."""
    finished = subprocess.run(
        [sys.executable, "-c", SPLIT, "3", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    expected = {"early": False, "names": [f"/device:CPU:{number}" for number in range(3)]}
    assert json.loads(finished.stdout) == expected


@without_gpu
def test_a_cpu_that_is_not_to_be_split_is_left_as_it_is():
    before = tf.config.list_logical_devices()
    devices.configure(memory_limit_mb=64)  # here TensorFlow is in use, so a change would raise
    assert tf.config.list_logical_devices() == before
