"""An initial kernel that hands its input on (Zagoruyko and Komodakis, DiracNets, 2017)."""

import keras
import numpy as np


class PartialIdentity(keras.initializers.Initializer):
    """Makes the first filters of a convolution copy its channels; the others are as ever.

    Where the result has fewer channels than the input, the last ones of the input are not copied.
    """

    def __init__(self, others: keras.initializers.Initializer) -> None:
        """Make the initializer.

        Args:
            others: initializer of the filters that copy nothing.
        """
        self.others = others

    def __call__(self, shape, dtype=None):
        """Make a kernel `[rows, columns, channels, filters]`."""
        rows, columns, channels, filters = shape
        copied = min(channels, filters)
        copies = np.zeros((rows, columns, channels, copied))
        copies[rows // 2, columns // 2, :copied] = np.eye(copied)
        kernel = self.others(shape, dtype)
        copies = keras.ops.convert_to_tensor(copies, kernel.dtype)
        return keras.ops.concatenate([copies, kernel[..., copied:]], -1)
