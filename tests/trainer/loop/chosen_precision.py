"""One of several workers: comes to what the run computes in, where the chief alone can tell.

python -m tests.trainer.loop.chosen_precision FOLDER

Writes FOLDER/NUMBER.json, with the number of the worker. The chief's measurement says that bfloat16
is fast after a while; that of another worker, if it made one, that it is not.
"""

import functools
import json
import os
import pathlib
import sys
from unittest import mock

from tests.trainer.configs import with_values
from tests.trainer.loop.trials import TINY, shell
from trainer.distribution import strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.loop import auto_precision
from trainer.loop.auto_precision import SpeedTrial


def main(folder: str) -> None:
    here = pathlib.Path(folder)
    cluster = Cluster.from_environment(os.environ)
    collectives = Collectives(strategies.create("multi_worker_mirrored", cluster), cluster)
    command = shell(
        f"touch {here}/{cluster.index}.measured; sleep 2",
        none=1.0,
        bfloat16=2.0 if cluster.is_chief else 1.0,
    )
    trial = functools.partial(SpeedTrial, command=command)
    notes: list[str] = []
    with mock.patch.object(auto_precision, "SpeedTrial", trial):
        chosen = auto_precision.resolve(
            with_values(TINY, mixed_precision="auto"),
            str(here / f"run-{cluster.index}"),
            cluster,
            collectives,
            2,
            notes.append,
        )
    result = {"mixed_precision": chosen.model.mixed_precision, "notes": notes}
    (here / f"{cluster.index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
