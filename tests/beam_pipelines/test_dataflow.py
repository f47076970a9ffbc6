"""What Dataflow would be sent: the job's graph and the package. Nothing goes over a network."""

import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import prepare
from tests.conftest import ROOT, run_program, write_images

# Python runs this first in every process: it writes down each attempt to reach a machine.
NO_NETWORK = """
import socket
def refuse(*arguments, **options):
    with open({log!r}, "a") as log:
        print(arguments, file=log)
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""
PREPARE = ("beam_pipelines.prepare", "--name=shades", "--splits=train:0.6,test:0.4")


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> pathlib.Path:
    """A folder with `source/`, the template `job.json`, `staging/`, and the `log` of attempts."""
    folder = tmp_path_factory.mktemp("dataflow")
    write_images(folder / "source", {"dark": 12, "light": 18})
    for name in ("temp", "staging", "site"):
        (folder / name).mkdir()
    (folder / "log").touch()
    hook = NO_NETWORK.format(log=str(folder / "log"))
    (folder / "site/sitecustomize.py").write_text(hook)
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    asked = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 1))"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"no network" in asked.stderr and (folder / "log").read_text()
    (folder / "log").write_text("")
    finished = run_program(
        *PREPARE,
        f"--source=folder:{folder / 'source'}",
        f"--output_dir={folder / 'data'}",
        "--runner=DataflowRunner",
        "--project=a-project",
        "--region=us-central1",
        "--job_name=prepare",
        f"--temp_location={folder / 'temp'}",
        f"--staging_location={folder / 'staging'}",
        f"--template_location={folder / 'job.json'}",
        "--no_auth",
        "--dataflow_endpoint=http://localhost:1",
        f"--setup_file={ROOT / 'setup.py'}",
        PYTHONPATH=path,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("template written")
    return folder


def test_no_machine_is_called_and_no_dataset_begun(sent):
    assert (sent / "log").read_text() == ""
    assert not (sent / "data").exists()


def test_the_graph_has_the_steps_of_the_job(sent):
    graph = beam_runner_api_pb2.Pipeline.FromString((sent / "staging/pipeline.pb").read_bytes())
    transforms = graph.components.transforms
    steps = [transforms[name] for name in transforms[graph.root_transform_ids[0]].subtransforms]

    names = [step.unique_name for step in steps]
    assert names == [
        "tasks",
        "spread tasks",
        "scan",
        "all scanned",
        "plan",
        "spread shards",
        "write",
    ]
    for before, after in itertools.pairwise(steps):
        assert set(before.outputs.values()) == set(after.inputs.values())


def test_the_job_names_the_staged_package(sent):
    job = json.loads((sent / "job.json").read_text())
    assert job["name"] == "prepare"
    packages = [p["name"] for pool in job["environment"]["workerPools"] for p in pool["packages"]]
    assert "workflow.tar.gz" in packages


def test_the_staged_package_does_the_job(sent, tmp_path):
    install = ["--no-deps", "--no-build-isolation", "--quiet", "--target", tmp_path / "package"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *install, sent / "staging/workflow.tar.gz"],
        timeout=300,
        check=True,
    )
    output = (f"--source=folder:{sent / 'source'}", f"--output_dir={tmp_path / 'data'}")
    code = "import beam_pipelines.prepare; print(beam_pipelines.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "package")}
    for command in (["-c", code], ["-m", *PREPARE, *output, "--direct_running_mode=in_memory"]):
        finished = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        if command[0] == "-c":
            assert finished.stdout.startswith(str(tmp_path / "package"))
    card = prepare(sent / "source", tmp_path / "here")
    assert dataset_dir.read_card(str(tmp_path / "data")).fingerprint == card.fingerprint
