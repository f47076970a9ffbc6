"""Threads of workers: a closed connection is no news, anything else is."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import concurrent.futures, logging, threading
import grpc
from beam_pipelines.pipeline import loopback_errors

class Service(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.abort(grpc.StatusCode.{code}, "so it ends")
        )

def listen():
    try:
        grpc.insecure_channel(f"localhost:{{port}}").unary_unary("/any/method")(b"", timeout=30)
    except grpc.RpcError:
        logging.getLogger("apache_beam.runners.worker.data_plane").exception("logged")
        raise

server = grpc.server(concurrent.futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers([Service()])
port = server.add_insecure_port("localhost:0")
server.start()
loopback_errors.silence()
thread = threading.Thread(target=listen)
thread.start()
thread.join()
server.stop(None)
"""


@pytest.mark.parametrize(("code", "errors"), [("CANCELLED", 0), ("INTERNAL", 2)])
def test_only_a_closed_connection_is_passed_over(code, errors):
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("Traceback") == errors
    assert ("logged" in finished.stderr) == bool(errors)
