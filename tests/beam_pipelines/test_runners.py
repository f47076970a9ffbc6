"""The same job on every runner: what is written is the same to the byte."""

import functools
import pathlib
from collections.abc import Callable

import distributed
import h5py
import numpy as np
import pytest
from PIL import Image

from beam_pipelines.pipeline import runner
from headrace.errors import UserError
from tests.beam_pipelines import clusters
from tests.beam_pipelines.jobs import file_contents, prepare
from tests.beam_pipelines.meeting import meet
from tests.conftest import run_program, write_images

RUNNERS: dict[str, Callable] = {
    "one_worker": lambda folder: clusters.local("in_memory", 1),
    "two_threads": lambda folder: clusters.local("multi_threading", 2),
    "two_processes": lambda folder: clusters.local("multi_processing", 2),
    "flink": functools.partial(clusters.flink, workers="LOOPBACK"),
    "flink_with_worker_pool": functools.partial(clusters.flink, workers="EXTERNAL"),
    "dask": clusters.dask,
}
FLAGS = {
    "splits": "train:0.6,validation:0.2,test:0.2",
    "max_bad_fraction": 0.05,
    "near_duplicates": 4,
}


with_every = pytest.mark.parametrize("flags", RUNNERS, indirect=True)
with_two_workers = pytest.mark.parametrize("flags", [*RUNNERS][1:], indirect=True)
with_clusters = pytest.mark.parametrize("flags", [*RUNNERS][3:], indirect=True)


@pytest.fixture(scope="module")
def flags(request, tmp_path_factory):
    """Beam's flags for a runner that is up."""
    folder = tmp_path_factory.mktemp(request.param)
    with RUNNERS[request.param](folder) as beam_flags:
        yield beam_flags


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, str]:
    """Images enough for several tasks and shards, some of them twice, some of them bad."""
    folder = tmp_path_factory.mktemp("sources")
    photos, container = folder / "photos", folder / "container.h5"
    write_images(photos, {"dark": 130, "grey": 150, "light": 140}, size=(96, 112))
    copy(photos / "dark/000.png", photos / "dark/again.png")
    copy(photos / "grey/001.png", photos / "light/other_label.png")
    cut = (photos / "light/002.png").read_bytes()[:5000]
    (photos / "light/cut.png").write_bytes(cut)
    (photos / "dark/notes.png").write_text("no image")
    slope = np.add.outer(np.arange(120, dtype=np.uint8), np.arange(90, dtype=np.uint8))
    for number in range(40):  # look alike, and so are in several splits
        colours = np.stack([slope, slope + np.uint8(number), slope], axis=-1)
        Image.fromarray(colours).save(photos / "grey" / f"slope{number}.jpg", quality=90)
    with h5py.File(container, "w") as file:
        pixels = np.random.default_rng(0).integers(0, 256, (420, 64, 64, 3), dtype=np.uint8)
        pixels[7] = pixels[300]
        file["images"], file["labels"] = pixels, np.arange(420) % 5
    return {"folder": f"folder:{photos}", "hdf5": f"hdf5:{container}"}


@pytest.mark.parametrize("flags", ["dask"], indirect=True)
def test_no_connection_to_dask_is_left_when_a_job_ends(flags, sources, tmp_path):
    prepare(sources["folder"], tmp_path / "data", *flags, **FLAGS)
    with pytest.raises(ValueError, match="No clients found"):
        distributed.default_client()


@with_clusters
def test_a_mistake_that_only_the_plan_finds_is_told(flags, sources, tmp_path):
    with pytest.raises(UserError, match="2 of 464 files are no sound images"):
        prepare(sources["folder"], tmp_path / "data", *flags, max_bad_fraction=0.0)
    assert not (tmp_path / "data/card.json").exists()


def copy(old: pathlib.Path, new: pathlib.Path) -> None:
    new.write_bytes(old.read_bytes())


@pytest.fixture(scope="module")
def references(sources, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """What the local runner writes by default."""
    written = {}
    for kind, source in sources.items():
        folder = tmp_path_factory.mktemp("reference") / "data"
        card = prepare(source, folder, **FLAGS)
        assert len(card.splits["train"].shards) > 1
        assert card.duplicates["groups"]
        assert kind == "hdf5" or (card.source["quarantined"] == 2 and card.duplicates["near"])
        written[kind] = file_contents(folder)
    return written


@with_every
@pytest.mark.parametrize("kind", ["folder", "hdf5"])
def test_every_runner_writes_the_same_bytes(flags, kind, sources, references, tmp_path):
    prepare(sources[kind], tmp_path / "data", *flags, **FLAGS)
    written = file_contents(tmp_path / "data")
    assert set(written) == set(references[kind])
    assert [name for name in written if written[name] != references[kind][name]] == []


@with_clusters
def test_the_program_ends_cleanly(flags, sources, references, tmp_path):
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source={sources['folder']}",
        f"--output_dir={tmp_path / 'data'}",
        "--name=shades",
        f"--splits={FLAGS['splits']}",
        "--max_bad_fraction=0.05",
        *flags,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    written = file_contents(tmp_path / "data")
    for name in references["folder"]:
        if ".tfrecord-" in name:
            assert written[name] == references["folder"][name]


@with_two_workers
def test_two_workers_share_both_phases(flags, tmp_path):
    options = runner.options(flags)
    thread, failures = runner.start(
        options,
        list(range(16)),
        scan=functools.partial(meet, tmp_path, "scan"),
        plan=functools.partial(range, 16),
        write=functools.partial(meet, tmp_path, "write"),
    )
    thread.join(300)
    assert not thread.is_alive() and failures == []
    for phase in ("scan", "write"):
        done = [path.name.split("-")[2] for path in tmp_path.glob(f"{phase}-done-*")]
        assert sorted(map(int, done)) == list(range(16))
