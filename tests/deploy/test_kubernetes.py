"""deploy/kubernetes.yaml, as far as it can be checked without a cluster."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from trainer.distribution.cluster import Cluster


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict]:
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def pod(manifest) -> dict:
    return manifest["Job"]["spec"]["template"]["spec"]


def test_every_worker_finds_itself_and_all_others_by_the_names_that_kubernetes_gives(
    manifest, pod, tmp_path
):
    job, (container,) = manifest["Job"], pod["containers"]
    (tmp_path / "show.py").write_text("import os; print(os.environ['TF_CONFIG'])")
    (tmp_path / "python").symlink_to(sys.executable)
    set_for_all = {each["name"]: each["value"] for each in container["env"]}
    count = job["spec"]["completions"]
    clusters = []
    for index in range(count):
        environment = {**os.environ, **set_for_all, "JOB_COMPLETION_INDEX": str(index)}
        environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
        text = subprocess.run(
            [*container["command"], "show"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        clusters.append(Cluster.from_environment({"TF_CONFIG": text}))
    # Of an Indexed Job, a pod's host name is JOB-INDEX; its domain is that of the subdomain.
    name, domain = job["metadata"]["name"], pod["subdomain"]
    hosts = [f"{name}-{index}.{domain}:2222" for index in range(count)]
    assert [cluster.addresses for cluster in clusters] == [{"worker": hosts}] * count
    assert [cluster.index for cluster in clusters] == list(range(count))
    assert [cluster.is_chief for cluster in clusters] == [True] + [False] * (count - 1)


def test_pods_have_names_and_all_run_at_once(manifest, pod):
    job, service = manifest["Job"], manifest["Service"]
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == job["spec"]["completions"]


def test_it_starts_again_what_was_interrupted_and_not_what_is_wrong(manifest, pod):
    rules = manifest["Job"]["spec"]["podFailurePolicy"]["rules"]
    codes = {
        code: rule["action"]
        for rule in rules
        for code in rule.get("onExitCodes", {"values": []})["values"]
    }
    assert codes == {2: "FailJob", 75: "Ignore"}
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy works with no other


def test_its_flags_are_those_of_the_trainer(pod):
    program, *given = pod["containers"][0]["args"]
    listed = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for flag in given:
        assert f"  {flag.partition('=')[0]}=" in listed, flag
