"""Imports TensorFlow late and quietly; see `import_tensorflow`."""

import atexit
import gc
import os
import tempfile

from absl import logging


def import_tensorflow() -> None:
    """Import TensorFlow and look for its devices, without its start-up chatter.

    TensorFlow's C++ side writes to standard error before any log level of its own applies, so
    standard error is set aside for that long, and shown if the import fails. A log level of
    0 or 1 in TF_CPP_MIN_LOG_LEVEL turns this off.
    """
    # Looking for garbage among all that TensorFlow makes keeps an ending process for seconds.
    atexit.register(gc.freeze)
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") in ("0", "1"):
        import tensorflow as tf  # takes seconds

        return
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow as tf  # takes seconds

            tf.config.list_physical_devices()
            logging.set_verbosity(logging.WARNING)  # TensorFlow lowers it when imported
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
