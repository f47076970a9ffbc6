"""Versions of a served model as SavedModels: `0001`, `0002`, …, where TensorFlow Serving looks.

path = saved_model.write(Classifier(network, preprocessing, classes), "RUN/export")
tf.saved_model.load(path).signatures["serving_default"](image=tf.constant([encoded]))
"""

import tensorflow as tf

from headrace import atomic, files
from headrace.errors import UserError
from trainer.serving.classifier import Classifier


def write(classifier: Classifier, folder: str) -> str:
    """Write the next version, which is there in full or not at all; return its path.

    Args:
        classifier: the model.
        folder: folder of all versions; made if there is none.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path = _next_version(folder)
        signatures = {"serving_default": classifier.classify}
        with atomic.atomic_dir(path, last="saved_model.pb") as staging:
            tf.saved_model.save(classifier, staging, signatures=signatures)
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message.splitlines()[0]
        raise UserError(
            f"{folder} cannot be written ({reason}); make room there or check the disk, and export "
            "again"
        ) from None
    return path


def _next_version(folder: str) -> str:
    try:
        names, _ = files.listing(folder)
    except FileNotFoundError:
        names = []
    versions = [int(name) for name in names if name.isdigit()]
    return f"{folder}/{max(versions, default=0) + 1:04d}"
