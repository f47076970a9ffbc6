"""Schedule-Free AdamW (Defazio et al., The Road Less Scheduled, 2024), by the paper's equations.

Three sequences are kept of each weight: gradients are taken at y, steps are made from z, and x is
the average of all z. The model has y while it trains, x is what it is worth:

    y = (1 - beta_1)·z + beta_1·x
    z = z - rate·(gradient / (√v + epsilon) + decay·y)    rate = learning rate·√(1 - beta_2^step)
    x = (1 - c)·x + c·z                                   c = rate² / the sum of all rate²

Keras 3.15's own class has the state and the settings, but not these numbers: each z counts for as
much, those of the warm-up too; weight decay takes from x, to which it is not divided by the steps,
and leaves z as it is, so that x falls to 0 in a long run; and it never gives the model x.
"""

import keras
from keras import ops


class ScheduleFreeAdamW(keras.optimizers.ScheduleFreeAdamW):
    """Keras's optimizer with the steps of the paper. A rate that warms up is the learning rate's.

    A weight begins where it is at its own first step, whatever it was when this was built: weights
    are loaded later, and layers thaw later. Until then its sum of rates is 0.
    """

    def build(self, variables) -> None:
        """Make the variables of the optimizer, for weights that it is to change."""
        if self.built:
            return
        super().build(variables)
        self._rate_sums = []
        for variable in variables:
            # As all slots: with parameter servers, on the server that has the weight.
            with self._distribution_strategy.extended.colocate_vars_with(variable.value):
                name = f"{variable.path.replace('/', '_')}_rate_sum"
                self._rate_sums.append(self.add_variable(shape=(), name=name))

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Take a step with one weight."""
        index = self._get_variable_index(variable)
        z, velocity, rate_sum = (
            slots[index] for slots in (self._momentums, self._velocities, self._rate_sums)
        )
        y, gradient = ops.convert_to_tensor(variable), ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype) * ops.sqrt(1 - ops.power(self.beta_2, step))
        z_before = ops.where(rate_sum > 0, z, y)
        x_before = (y - (1 - self.beta_1) * z_before) / self.beta_1

        self.assign_add(velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2))
        direction = gradient / (ops.sqrt(velocity) + self.epsilon)
        if self.weight_decay and self._use_weight_decay(variable):
            direction = direction + self.weight_decay * y
        self.assign(z, z_before - rate * direction)
        self.assign_add(rate_sum, ops.square(rate))
        share = ops.divide_no_nan(ops.square(rate), rate_sum)
        x = (1 - share) * x_before + share * z
        self.assign(variable, (1 - self.beta_1) * z + self.beta_1 * x)

    def _apply_weight_decay(self, variables) -> None:
        """Do nothing: the step has it."""

    def finalize_variable_values(self, var_list) -> None:
        """Give weights x; those that have not been trained are it already."""
        for variable in var_list:
            index = self._get_variable_index(variable)
            if self._rate_sums[index].numpy() > 0:
                z, y = self._momentums[index].numpy(), variable.numpy()
                variable.assign((y - (1 - self.beta_1) * z) / self.beta_1)
