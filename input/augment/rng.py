"""The random numbers of a batch: the same for an image whichever input pipeline it comes through.

Numbers are drawn for the whole global batch from (seed, step, name), and each pipeline keeps its
part; so nothing is remembered, and what one augmentation draws changes no other.

    draws = Draws(seed, step, batch_size=128, first=32, count=32)
    draws.uniform("flip")            # float32 [32]
    draws.uniform("shift", 2)        # float32 [32, 2]
"""

import dataclasses
import zlib

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Draws:
    """Where random numbers come from.

    Attributes:
        seed: of the run.
        step: of the batch, int64 scalar; graph code.
        batch_size: records of the global batch.
        first, count: which of them are wanted.
    """

    seed: int
    step: tf.Tensor
    batch_size: int
    first: int
    count: int

    def uniform(self, name: str, *shape: int) -> tf.Tensor:
        """Numbers from [0, 1) for each image, float32 `[count, *shape]`.

        Args:
            name: what they are for; another name gives independent numbers.
            shape: of the numbers of one image.
        """
        drawn = tf.random.stateless_uniform([self.batch_size, *shape], self._seed(name))
        return self._part(drawn)

    def between(self, name: str, low: float, high: float, *shape: int) -> tf.Tensor:
        """As `uniform`, from [low, high)."""
        return low + (high - low) * self.uniform(name, *shape)

    def chance(self, name: str, probability: float) -> tf.Tensor:
        """For each image, whether it happens; bool `[count]`."""
        return self.uniform(name) < probability

    def below(self, name: str, limit: int, *shape: int) -> tf.Tensor:
        """Whole numbers from 0 to `limit` - 1, int32 `[count, *shape]`."""
        # The largest number below 1, times the limit, is still below it in float32.
        return tf.cast(self.uniform(name, *shape) * limit, tf.int32)

    def beta(self, name: str, alpha: float) -> tf.Tensor:
        """Numbers from the symmetric distribution Beta(alpha, alpha), float32 `[count]`.

        Their mean is 1/2, their variance 1 / (8 alpha + 4). Any `alpha` above 0 will do.
        """
        one, other = (self._log_gamma(f"{name}/{each}", alpha) for each in "12")
        return self._part(tf.sigmoid(one - other))

    def _log_gamma(self, name: str, alpha: float) -> tf.Tensor:
        """Logarithms of numbers from Gamma(alpha), which for a small alpha round to 0 themselves.

        For the whole batch: the last bit of a logarithm differs between the places of a vector.
        """
        # Gamma(alpha) is Gamma(alpha + 1) times a uniform number to the power of 1 / alpha.
        shape = [self.batch_size]
        above = tf.random.stateless_gamma(shape, self._seed(f"{name}/gamma"), alpha + 1)
        power = 1 - tf.random.stateless_uniform(shape, self._seed(f"{name}/power"))
        return tf.math.log(above) + tf.math.log(power) / alpha

    def _seed(self, name: str) -> tf.Tensor:
        word = tf.constant([zlib.crc32(name.encode()), self.seed], tf.int64)
        return tf.random.experimental.stateless_fold_in(word, self.step)

    def _part(self, drawn: tf.Tensor) -> tf.Tensor:
        return drawn[self.first : self.first + self.count]
