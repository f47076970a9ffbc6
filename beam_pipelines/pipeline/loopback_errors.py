"""The end of a job whose workers are threads of this program, as Flink's are with LOOPBACK.

The job server hangs up on them when the job is done. Some of them notice while they still listen,
which Beam prints as an error, with its traceback, though nothing is lost.
"""

import logging
import threading

import grpc


def expect() -> None:
    """Keeps quiet about hang-ups from now on."""
    logging.getLogger("apache_beam.runners.worker.data_plane").addFilter(
        lambda record: not (record.exc_info and is_hang_up(record.exc_info[1]))
    )
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if not is_hang_up(arguments.exc_value):
            before(arguments)

    threading.excepthook = hook


def is_hang_up(error: BaseException | None) -> bool:
    """Whether an error of a worker's thread says that the job server has closed the connection."""
    return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.CANCELLED
