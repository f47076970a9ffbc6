"""How TensorFlow takes hold of devices, as far as that can be tested without a GPU."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

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


@pytest.mark.parametrize(("logical", "memory_limit_mb"), [(3, 0), (1, 64)])
def test_where_there_is_no_gpu_the_cpu_is_split_and_no_limit_of_memory_is_needed(
    logical, memory_limit_mb
):
    """And TensorFlow, which takes seconds, is imported then and not before."""
    finished = subprocess.run(
        [sys.executable, "-c", SPLIT, str(logical), str(memory_limit_mb)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    expected = {"early": False, "names": [f"/device:CPU:{number}" for number in range(logical)]}
    assert json.loads(finished.stdout) == expected
