"""What the labels of the image table stand for: one class each, or in a multi-label dataset a set.

    labels = label_sets.collect(["cat", "dog"], [["cat", "dog"], [], ["cat"]])
    labels.classes_of             # [[], [0], [0, 1]]: no class, cat, both
    labels.index(["cat", "dog"])  # 2

So what is divided, compared and counted by label is divided by set of classes, exactly.
"""

import dataclasses
import functools
from collections.abc import Iterable

_JOIN = "|"  # as listings have it


@dataclasses.dataclass(frozen=True)
class LabelSets:
    """The labels of a dataset.

    Attributes:
        classes: names of the classes, in the order of their indices.
        classes_of: indices of each label's classes, ascending.
        multi_label: whether a label may stand for any number of classes, or stands for one.
    """

    classes: list[str]
    classes_of: list[list[int]]
    multi_label: bool

    def index(self, label: str | list[str]) -> int:
        """Return the label of an image, from the names that its source gives it."""
        return self._indices[frozenset([label] if isinstance(label, str) else label)]

    def stored(self, label: int) -> int | list[int]:
        """Return what a record holds for a label: the index of its class, or all of these."""
        return self.classes_of[label] if self.multi_label else label

    def names(self, label: int) -> list[str]:
        """Return the names of a label's classes."""
        return [self.classes[each] for each in self.classes_of[label]]

    @functools.cached_property
    def _indices(self) -> dict[frozenset[str], int]:
        return {frozenset(self.names(label)): label for label in range(len(self.classes_of))}


def single(classes: list[str]) -> LabelSets:
    """Return the labels of a dataset where a label is a class."""
    return LabelSets(classes, [[index] for index in range(len(classes))], multi_label=False)


def collect(classes: list[str], labels: Iterable[list[str]]) -> LabelSets:
    """Return the labels of a multi-label dataset: each set of classes that an image has.

    Args:
        classes: names of the classes.
        labels: names of each image's classes.
    """
    indices = {name: index for index, name in enumerate(classes)}
    found = {tuple(sorted(indices[name] for name in names)) for names in labels}
    return LabelSets(classes, [list(each) for each in sorted(found)], multi_label=True)


def text(names: list[str]) -> str:
    """Return the names of an image's classes as one text."""
    return _JOIN.join(names) or "no class"
