"""Dropout of each kind, which can go on in prediction to tell how sure a network is."""

from collections.abc import Callable

import keras
import numpy as np

from headrace.errors import UserError


class _Sampling(keras.layers.Layer):
    """A layer of chance that `sample` can leave switched on."""

    sampling = False

    def call(self, inputs, training: bool = False):
        """Drop in training, and in prediction where `sample` says so."""
        return super().call(inputs, training=training or self.sampling)


class Dropout(_Sampling, keras.layers.Dropout):
    """Drops single values (Srivastava et al., Dropout, JMLR 15, 2014)."""


class SpatialDropout(_Sampling, keras.layers.SpatialDropout2D):
    """Drops whole channels of an image (Tompson et al., Efficient Object Localization Using
    Convolutional Networks, CVPR 2015)."""


class AlphaDropout(_Sampling, keras.layers.AlphaDropout):
    """Keeps mean and variance, for SELU (Klambauer et al., Self-Normalizing Neural Networks, NIPS
    2017)."""


class GaussianDropout(_Sampling, keras.layers.GaussianDropout):
    """Multiplies by noise of mean 1 (Srivastava et al., 2014, section 10)."""


_KINDS: dict[str, Callable[..., keras.Layer]] = {
    "plain": Dropout,
    "spatial": SpatialDropout,
    "alpha": AlphaDropout,
    "gaussian": GaussianDropout,
}


def dropout(x, rate: float, kind: str = "plain"):
    """Put dropout behind a tensor.

    Args:
        x: a Keras tensor; for `spatial`, of rank 4 (behind others, `plain` is taken).
        rate: share that is dropped, from 0, for no layer at all, to less than 1.
        kind: `plain`, `spatial`, `alpha` or `gaussian`.

    Raises:
        UserError: there is no such kind or rate.
    """
    if kind not in _KINDS:
        raise UserError(f"unknown kind of dropout {kind!r}; there are {', '.join(_KINDS)}")
    if not 0 <= rate < 1:
        raise UserError(f"expected a dropout from 0 to less than 1, received {rate}")
    if not rate:
        return x
    kind = "plain" if kind == "spatial" and len(x.shape) != 4 else kind
    return _KINDS[kind](rate)(x)


def sample(model: keras.Model) -> int:
    """Let a model drop in prediction too: each call is another sample of what it might say (Gal and
    Ghahramani, Dropout as a Bayesian Approximation, ICML 2016).

    Batch norm goes on with its moving averages. To be called before the model is traced.

    Returns:
        The number of layers that drop; 0 if all samples will be the same.
    """
    found = _sampling_layers(model)
    for layer in found:
        layer.sampling = True
    return len(found)


def reseed(model: keras.Model, seed: int) -> None:
    """Let the samples of a model begin anew: what follows hangs on the seed alone.

    Args:
        model: a model that `sample` was called on.
        seed: 0 or more; another one gives other samples.
    """
    for number, layer in enumerate(_sampling_layers(model)):
        # Of each layer another: two of one shape would drop the same places.
        state = np.random.SeedSequence([seed, number]).generate_state(2)
        layer.seed_generator.state.assign(state)


def _sampling_layers(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, _Sampling)]
