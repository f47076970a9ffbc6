"""A worker that only meets the others, without TensorFlow.

python -m tests.trainer.meeting

Says every line of `rendezvous.meet`, then `met`, and then listens at its address as TensorFlow
does, where it answers nothing.
"""

import functools
import os
import signal

from trainer.distribution import liveness, rendezvous
from trainer.distribution.cluster import Cluster

if __name__ == "__main__":
    liveness._FIRST_REPORT_SECONDS = liveness._REPORT_EVERY_SECONDS = 0.0
    cluster = Cluster.from_environment(os.environ)
    say = functools.partial(print, flush=True)
    rendezvous.meet(cluster, say)
    with rendezvous._listen(cluster):
        say("met")
        signal.pause()
