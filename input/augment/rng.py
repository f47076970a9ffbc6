"""The random numbers of a batch: the same for an image whichever input pipeline it comes through.

Numbers are made for the whole global batch from (seed, step, name), and each pipeline takes its
part; so nothing is remembered, and the numbers of one augmentation change those of no other.

    rng = BatchRng(seed, step, batch_size=128, first=32, count=32)
    rng.uniform("flip")            # float32 [32]
    rng.uniform("shift", 2)        # float32 [32, 2]
"""

import dataclasses
import zlib

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class BatchRng:
    """The random numbers of a batch, or of a pipeline's part of it.

    Attributes:
        seed: seed of the run.
        step: step of the batch, int64 scalar; graph code.
        batch_size: records of the global batch.
        first, count: the part of them that numbers are for.
    """

    seed: int
    step: tf.Tensor
    batch_size: int
    first: int
    count: int

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """Draw numbers from [low, high) for each image.

        Args:
            name: what they are for; another name gives independent numbers.
            shape: shape of the numbers of one image.
            low: smallest number.
            high: number that is just not reached.

        Returns:
            float32 `[count, *shape]`.
        """
        numbers = tf.random.stateless_uniform([self.batch_size, *shape], self._seed(name))
        return low + (high - low) * self._part(numbers)

    def bernoulli(self, name: str, probability: float) -> tf.Tensor:
        """Draw for each image whether something happens to it; bool `[count]`."""
        return self.uniform(name) < probability

    def randint(self, name: str, limit: int, *shape: int) -> tf.Tensor:
        """Draw whole numbers from 0 to `limit` - 1, int32 `[count, *shape]`."""
        # The largest number below 1, times the limit, is still below it in float32.
        return tf.cast(self.uniform(name, *shape) * limit, tf.int32)

    def beta(self, name: str, alpha: float) -> tf.Tensor:
        """Draw numbers from the symmetric distribution Beta(alpha, alpha), float32 `[count]`.

        Their mean is 1/2, their variance 1 / (8 alpha + 4). Any `alpha` above 0 will do.
        """
        one, other = (self._log_gamma(f"{name}/{each}", alpha) for each in "12")
        return self._part(tf.sigmoid(one - other))

    def _log_gamma(self, name: str, alpha: float) -> tf.Tensor:
        """Draw logarithms of numbers from Gamma(alpha), which round to 0 themselves if it is small.

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

    def _part(self, numbers: tf.Tensor) -> tf.Tensor:
        return numbers[self.first : self.first + self.count]
