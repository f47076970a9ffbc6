"""A chief restores variables that a parameter server holds, from files that it alone finds.

python -m tests.trainer.served_reads FOLDER ADDRESS ADDRESS ADDRESS [ps]

The server is a process in another working directory, and the run directory's path is relative.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.distribution import parameter_server
from trainer.distribution.cluster import Cluster


def main(folder: str, chief: str, worker: str, server: str, task: str = "chief") -> None:
    addresses = {"chief": [chief], "worker": [worker], "ps": [server]}
    spec = tf.train.ClusterSpec(addresses)
    if task == "ps":
        tf.distribute.Server(spec, "ps", 0, "grpc").join()
    command = [sys.executable, "-m", "tests.trainer.served_reads", *sys.argv[1:], "ps"]
    child = subprocess.Popen(command)
    try:
        here = tf.distribute.Server(spec, "worker", 0, "grpc")
        os.chdir(folder)
        strategy = parameter_server.connect(Cluster(addresses, "chief", 0), print)
        for value in (1.0, 0.0):
            with strategy.scope():
                model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
                model.set_weights([np.full((2, 1), value), np.full(1, value)])
                optimizer = keras.optimizers.SGD()
                optimizer.build(model.trainable_variables)
                state = TrainState(model, optimizer)
                manager = CheckpointManager("run", state)
                manager.restore()
            step, state.step = state.step, 1
            manager.save()
            manager.wait()
        print("restored", step, *model.get_weights()[1])
        del here
    finally:
        child.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
