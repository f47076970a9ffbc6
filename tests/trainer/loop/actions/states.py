"""States and reports made by hand, for tests of actions without any training."""

import keras

from trainer.checkpoints.train_state import TrainState


def state(step: int = 0, learning_rate: float = 0.5, **counters) -> TrainState:
    """A state of a model with one weight, with these counters."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.SGD(learning_rate)
    optimizer.build(model.trainable_variables)
    made = TrainState(model, optimizer)
    for name, value in {"step": step, **counters}.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


class Log(list):
    """A log that holds what is logged."""

    def __call__(self, step: int, split: str, values: dict[str, float]) -> None:
        self.append((step, split, values))
