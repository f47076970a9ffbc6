"""Trains 50 steps in a process of its own and saves every one of its replicas' variables.

python -m tests.trainer.replicas DATA_DIR STRATEGY LOGICAL_CPUS FOLDER

Writes FOLDER/NUMBER.npz, with the number of the worker: 0 for the only one.
"""

import os
import sys

import numpy as np
import tensorflow as tf

from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.sampling.order import Order
from tests.trainer.configs import with_values
from trainer import run_model
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.loop import train_step
from trainer.optimization import optimizers

STEPS, BATCH, LANES = 50, 24, 4


def main(data_dir: str, strategy_name: str, cpus: str, folder: str) -> None:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(cpus),
    )
    card = dataset_dir.read_card(data_dir)
    config = with_values(
        RunConfig(),
        data_dir=data_dir,
        dataset=card.fingerprint,
        train_split="train",
        validation_split=None,
        classes=card.classes,
        channels=card.channels,
        mean=card.mean,
        std=card.std,
        image_size=(8, 8),
        resize_to=(8, 8),
        resize="cover",
        normalization="channel",
        model="resnet_cifar",
        model_options={"stages": (1, 1), "filters": (8, 8, 16)},
        batch_size=BATCH,
        optimizer="momentum",
        learning_rate=0.01,
        mixed_precision="none",
        grad_accum_steps=1,
        clip_norm=0.0,
        ema_decay=0.0,
        jit_compile=False,
        # With a few seeds an activation within rounding of zero falls on the other side of its
        # ReLU, and the weights then differ by 1e-3; with the others by 1e-6.
        seed=6,
        init_from="",
        init_checkpoint="best",
        init_optimizer="reset",
        steps=STEPS,
        eval_every=1,
        monitor="rank1",
        patience=0,
        reduce_lr_patience=0,
        reduce_lr_factor=0.1,
        save_every_steps=STEPS,
        save_every_seconds=0,
        max_to_keep=3,
        max_minutes=None,
        strategy=strategy_name,
        devices=(),
        communication="auto",
        tpu="",
        deterministic=True,
        lanes=LANES,
        batch_sampling="natural",
        class_weights="none",
        shuffle_chunk=1,
        shuffle_window=1,
        on_bad_record="stop",
        cache="none",
        cache_dir="",
    )
    cluster = Cluster.from_environment(os.environ)
    strategy = strategies.create(strategy_name, cluster)
    tf.keras.utils.set_random_seed(config.data.seed)
    with strategy.scope():
        model = run_model.build(config)
        optimizer = optimizers.create(
            config.optimization.optimizer, config.optimization.learning_rate
        )
        optimizer.build(model.trainable_variables)
    reader = Reader(data_dir, card, "train")
    order = Order(len(reader), BATCH, config.data.lanes, config.data.seed)

    def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
        return stream.training(
            reader, order, config.data.preprocessing, pipeline=pipeline, pipelines=pipelines
        )

    iterator = iter(strategies.distribute(strategy, batches, BATCH))
    train_steps = train_step.make_train_steps(
        strategy, model, optimizer, BATCH, config.optimization
    )
    train_steps(iterator, tf.constant(STEPS, tf.int64), train_step.first_sums(strategy))
    replicas = [strategy.experimental_local_results(v.value) for v in model.variables]
    own = strategy.num_replicas_in_sync // cluster.sync_workers
    assert all(len(values) == own for values in replicas)
    np.savez(
        f"{folder}/{cluster.index}.npz",
        replicas=strategy.num_replicas_in_sync,
        **{
            f"{replica}/{number:03d}/{variable.path}": values[replica].numpy()
            for number, (variable, values) in enumerate(zip(model.variables, replicas, strict=True))
            for replica in range(own)
        },
    )
    Collectives(strategy, cluster).barrier()


if __name__ == "__main__":
    main(*sys.argv[1:])
