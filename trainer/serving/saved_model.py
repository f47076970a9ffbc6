"""Versions of a served model as SavedModels: `0001`, `0002`, …, where TensorFlow Serving looks.

path = saved_model.write(Classifier(network, preprocessing, classes), "RUN/export")
tf.saved_model.load(path).signatures["serving_default"](image=tf.constant([encoded]))
"""

import tensorflow as tf
from etils import epath

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
        path = _next_version(epath.Path(folder))
        # Hidden, so that a server that watches the folder does not load a half of it.
        staging = path.with_name(f".{path.name}.tmp")
        if staging.exists():
            staging.rmtree()
        signatures = {"serving_default": classifier.classify}
        tf.saved_model.save(classifier, str(staging), signatures=signatures)
        staging.rename(path)
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message.splitlines()[0]
        raise UserError(
            f"{folder} cannot be written ({reason}); make room there or check the disk, and export "
            "again"
        ) from None
    return str(path)


def _next_version(folder: epath.Path) -> epath.Path:
    folder.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    return folder / f"{max(versions, default=0) + 1:04d}"
