"""`schedule`: the learning rate as a function of the step, and an optimizer that follows it.

    factor = make_factor(config.schedule, steps=7800, steps_per_epoch=390)
    follow(optimizer, factor)       # from here on its rate is that, times the factor of the step

What the optimizer keeps as its rate stays the one that the schedule multiplies: whoever lowers it
on a plateau lowers the whole curve. The step is the optimizer's own, so a run that resumes is where
it was.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.config.run import RunConfig
from trainer.config.schedule import ScheduleConfig

# Of a step, int64 or float, the part of the rate that holds there, float32.
Factor = Callable[[tf.Tensor], tf.Tensor]


def make_factor(schedule: ScheduleConfig, steps: int, steps_per_epoch: int) -> Factor:
    """Make the function of a schedule.

    Args:
        schedule: schedule, checked.
        steps: number of steps of the run; what comes after them is as at their end.
        steps_per_epoch: number of steps of an epoch.

    Returns:
        A function of a step, from 0, that a graph can hold.
    """
    warmup = schedule.warmup_steps or round(schedule.warmup_epochs * steps_per_epoch)
    body = _make_body(schedule, max(steps - warmup, 1), steps_per_epoch)

    def factor(step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        value = tf.cast(body(tf.maximum(step - warmup, 0.0)), tf.float32)
        # The first step moves already, the last one of these is at the full rate.
        return value * tf.minimum((step + 1) / warmup, 1.0) if warmup else value

    return factor


def follow(optimizer: keras.optimizers.Optimizer, factor: Factor) -> None:
    """Let an optimizer's learning rate be a part of the one that it keeps.

    To be called before a step is compiled. Setting the rate still sets the one that it keeps.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    base = inner._get_current_learning_rate
    inner._get_current_learning_rate = lambda: base() * factor(inner.iterations)


def planned_rates(config: RunConfig, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate that a run is planned to take each of its steps at, float32; with
    the one after them. What lowers it on a plateau is in no plan."""
    steps = config.training.steps
    first = min(config.transfer.warm_start_epochs * steps_per_epoch, steps)
    factor = make_factor(config.schedule, steps - first, steps_per_epoch)
    # The optimizer begins anew where the dropout of a warm start ends, and the schedule with it.
    parts = [factor(tf.range(count, dtype=tf.int64)) for count in (first, steps - first + 1)]
    return np.concatenate([np.asarray(part) for part in parts]) * np.float32(config.learning_rate)


def _make_body(schedule: ScheduleConfig, steps: int, steps_per_epoch: int) -> Factor:
    """Make the function behind the warm-up, of which `steps` are left."""
    values = schedule.values()
    unit = 1 if values["unit"] == "steps" else steps_per_epoch
    every = values.get("every", 1.0) * unit
    schedules = keras.optimizers.schedules
    match schedule.name:
        case "step":
            return schedules.ExponentialDecay(1.0, every, values["factor"], staircase=True)
        case "exponential":
            return schedules.ExponentialDecay(1.0, every, values["factor"])
        case "inverse_time":
            return schedules.InverseTimeDecay(1.0, every, values["decay"])
        case "piecewise":
            # Keras takes the value before a boundary at the boundary itself.
            boundaries = [float(round(at * unit) - 1) for at in values["at"]]
            factors = [1.0, *map(float, values["factors"])]
            return schedules.PiecewiseConstantDecay(boundaries, factors)
        case "polynomial":
            return schedules.PolynomialDecay(1.0, steps, values["end"], values["power"])
        case "cosine":
            return schedules.CosineDecay(1.0, steps, values["end"])
        case "cyclic":
            return schedules.CosineDecayRestarts(
                1.0, every, values["growth"], values["factor"], values["end"]
            )
        case "one_cycle":
            return _rise_and_fall(values, steps, _cosine)
        case "triangular":
            return _rise_and_fall(values, steps, lambda part: part)
    return lambda step: tf.ones_like(step)


def _rise_and_fall(values: dict, steps: int, shape: Callable[[tf.Tensor], tf.Tensor]) -> Factor:
    """Make a function that rises from `start` to 1 in the part `rise` of the steps, and then falls
    to `end` (Smith and Topin, Super-Convergence, 2018).

    Args:
        values: options of the schedule.
        steps: number of steps.
        shape: how it goes from 0 to 1.
    """
    peak = values["rise"] * steps

    def factor(step: tf.Tensor) -> tf.Tensor:
        fall = shape(tf.clip_by_value((step - peak) / (steps - peak), 0.0, 1.0))
        falling = 1 - (1 - values["end"]) * fall
        if not peak:
            return falling
        rising = values["start"] + (1 - values["start"]) * shape(step / peak)
        return tf.where(step < peak, rising, falling)

    return factor


def _cosine(part: tf.Tensor) -> tf.Tensor:
    return (1 - tf.cos(part * 3.141592653589793)) / 2
