import json
import sys

import pytest

from benchmarks import harness
from benchmarks.harness import OURS, Contender, Run, RunError

SLEEP = [sys.executable, "-c", "import time; time.sleep(0.01)"]
PARENT_OF_A_LARGE_CHILD = """
import subprocess, sys
child = "x = bytearray(64 * 2**20); x[:] = b'1' * len(x); import time; time.sleep(1)"
subprocess.run([sys.executable, "-c", child], check=True)
"""


def test_contenders_run_in_turn(tmp_path, capsys):
    contenders = [Contender("b", SLEEP), Contender("a", SLEEP)]
    results = harness.in_turn(contenders, rounds=2, scratch=tmp_path)
    assert {name: len(runs) for name, runs in results.items()} == {"b": 2, "a": 2}
    order = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert order == ["b", "a", "b", "a"]


def test_output_is_checked_and_then_removed(tmp_path):
    def check(output):
        assert output.parent == tmp_path
        if not (output / "file").exists():
            raise RunError("wrote no file")

    write = [sys.executable, "-c", "open(r'{output}/file', 'w').close()"]
    contenders = [Contender("good", write, check), Contender("bad", SLEEP, check)]
    results = harness.in_turn(contenders, rounds=1, scratch=tmp_path)
    assert isinstance(results["good"][0], Run)
    assert results["bad"] == "round 1: wrote no file"
    assert not list(tmp_path.iterdir())


def test_a_contender_may_measure_itself(tmp_path):
    write = "open(r'{output}/figures.json', 'w').write('{\"images/s\": 7.5}')"
    contenders = [Contender(OURS, [sys.executable, "-c", write])]
    results = harness.in_turn(contenders, rounds=3, scratch=tmp_path)
    (row,) = harness.rows("task", results, lambda run: run.figures["images/s"], "images/s")
    assert (row.value, row.unit, row.ratio_to_headrace) == (7.5, "images/s", 1)


def test_a_failure_is_reported_and_stops_no_other(tmp_path):
    contenders = [
        Contender("broken", [sys.executable, "-c", "print('so it was'); exit(3)"]),
        Contender("absent", ["no such program"], missing="did not install"),
        Contender(OURS, SLEEP),
    ]
    results = harness.in_turn(contenders, rounds=2, scratch=tmp_path)
    broken, absent, ours = harness.rows("task", results)
    assert (broken.value, broken.error) == (None, "round 1: exit code 3: so it was")
    assert (absent.value, absent.error) == (None, "did not install")
    assert ours.ratio_to_headrace == 1


def test_ratios_are_formed_round_by_round():
    results: dict[str, list[Run] | str] = {
        OURS: [Run(1), Run(2), Run(10)],
        "peer": [Run(3), Run(2), Run(5)],
    }
    _, peer = harness.rows("task", results)
    assert (peer.name, peer.value, peer.min, peer.max) == ("task: peer", 3, 2, 5)
    assert peer.ratio_to_headrace == 1  # the median of 3, 1 and 0.5


def test_without_headrace_there_is_no_ratio():
    (row,) = harness.rows("task", {"peer": [Run(3)]})
    assert row.ratio_to_headrace is None


def test_memory_is_that_of_the_whole_tree(tmp_path):
    contender = Contender("tree", [sys.executable, "-c", PARENT_OF_A_LARGE_CHILD])
    ((run,),) = harness.in_turn([contender], 1, tmp_path, watch_memory=True).values()
    assert run.largest_mib > 64
    assert run.tree_mib > run.largest_mib


def test_a_run_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "_LIMIT_SECONDS", 0.2)
    sleep = Contender("sleep", [sys.executable, "-c", "import time; time.sleep(60)"])
    assert "not done after" in harness.in_turn([sleep], 1, tmp_path)["sleep"]


def test_json_holds_rows_and_facts(tmp_path):
    rows = harness.rows("task", {OURS: [Run(2)], "peer": "did not install"})
    harness.write_json(str(tmp_path / "out.json"), "prepare", rows, {"machine": "m"})
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["benchmark"] == "prepare"
    assert content["machine"] == "m"
    ours, peer = content["rows"]
    assert ours == {
        "name": "task: headrace",
        "value": 2,
        "unit": "s",
        "ratio_to_headrace": 1,
        "min": 2,
        "max": 2,
    }
    assert peer["error"] == "did not install"


def test_the_table_says_what_did_not_run(capsys):
    harness.print_table(harness.rows("task", {OURS: [Run(2)], "peer": "did not install"}))
    assert "task: peer      not run: did not install" in capsys.readouterr().out


def test_peers_have_the_versions_of_the_lock():
    locked = (harness.ROOT / "requirements.lock").read_text().splitlines()
    wanted = (harness.ROOT / "benchmarks/requirements-tensorflow.txt").read_text().splitlines()
    shared = [line for line in wanted if line[:1].isalpha()]
    assert len(shared) == 4
    assert set(shared) <= set(locked)


@pytest.mark.parametrize("average, busy", [(0.1, False), (1.7, True)])
def test_a_busy_machine_is_flagged(monkeypatch, average, busy):
    monkeypatch.setattr(harness.os, "getloadavg", lambda: (average, 0.0, 0.0))
    assert harness.load()["busy"] is busy
