"""Several optimizers as one, each for weights of its own: `group_optimizers`.

It has what is of all weights: the learning rate, of which each has its part, the count of steps,
the moving average. What Keras's `MultiOptimizer` puts together has one of each in every part, and
no learning rate of its own to set or to schedule; it takes no step while a group is frozen, and the
averages of that group would be 0 until then.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import keras


class Member(NamedTuple):
    """An optimizer of a group of weights.

    Attributes:
        optimizer: optimizer, not built; its own learning rate is of no account.
        factor: part of the common learning rate that is its own.
    """

    optimizer: keras.optimizers.Optimizer
    factor: float


class GroupedOptimizer(keras.optimizers.Optimizer):
    """Steps by several optimizers, at parts of one learning rate."""

    def __init__(
        self,
        learning_rate: float,
        members: Sequence[Member],
        member_of: Callable[[keras.Variable], int],
        **settings: object,
    ) -> None:
        """Put optimizers together.

        Args:
            learning_rate: learning rate to begin with.
            members: optimizers, each of which has weights.
            member_of: function of a weight to the number of its optimizer.
            **settings: those of `keras.optimizers.Optimizer`, for all weights.
        """
        super().__init__(learning_rate=learning_rate, **settings)
        self.members = [member.optimizer for member in members]
        self._factors = [member.factor for member in members]
        self._member_of = member_of

    def build(self, variables) -> None:
        """Make the variables of all optimizers, for weights that they are to change."""
        if self.built:
            return
        super().build(variables)
        self._member_by_index = [self._member_of(variable) for variable in variables]
        for member, factor, group in zip(
            self.members, self._factors, self._split(variables), strict=True
        ):
            # Its own stay in checkpoints, unused: TensorFlow saves no list that lost an element.
            member._iterations = self._iterations
            member._get_current_learning_rate = self._part_of_rate(factor)
            member.build(group)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables of all optimizers."""
        return [*super().variables, *(each for member in self.members for each in member.variables)]

    def finalize_variable_values(self, var_list) -> None:
        """Give weights their averages, those that have any."""
        super().finalize_variable_values(var_list)
        for member, group in zip(self.members, self._split(var_list), strict=True):
            member.finalize_variable_values(group)

    def _backend_update_step(self, grads, trainable_variables, learning_rate) -> None:
        gradients = self._split(trainable_variables, grads)
        groups = self._split(trainable_variables)
        for member, local, group in zip(self.members, gradients, groups, strict=True):
            if group:
                member._backend_update_step(local, group, member.learning_rate)

    def _apply_weight_decay(self, variables) -> None:
        for member, group in zip(self.members, self._split(variables), strict=True):
            if group:
                member._apply_weight_decay(group)

    def _split(self, variables: Iterable, values: Iterable | None = None) -> list[list]:
        """Return variables, or values that belong to them, by their optimizers."""
        groups: list[list] = [[] for _ in self.members]
        for variable, value in zip(variables, values or variables, strict=True):
            groups[self._member_by_index[self._get_variable_index(variable)]].append(value)
        return groups

    def _part_of_rate(self, factor: float) -> Callable:
        return lambda: self.learning_rate * factor


def members_of(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that change weights: of several that are put together, each."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(inner.members) if isinstance(inner, GroupedOptimizer) else [inner]
