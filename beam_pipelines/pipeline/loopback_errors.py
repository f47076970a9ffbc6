"""Errors at the end of a job whose workers are threads of this program, as with LOOPBACK.

The job server hangs up on them when the job is done. Some of them notice while they still listen,
which Beam prints as an error, with its traceback, though nothing is lost.
"""

import logging
import threading

import grpc


def silence() -> None:
    """Keep quiet, from now on, about connections that the job server closed."""
    logging.getLogger("apache_beam.runners.worker.data_plane").addFilter(
        lambda record: not (record.exc_info and is_cancellation(record.exc_info[1]))
    )
    default_hook = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if not is_cancellation(arguments.exc_value):
            default_hook(arguments)

    threading.excepthook = hook


def is_cancellation(error: BaseException | None) -> bool:
    """Return whether a worker's error says that the job server closed the connection."""
    return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.CANCELLED
