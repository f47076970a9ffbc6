"""Runs the job of `prepare` inside the test's own process."""

import dataclasses
import pathlib

from beam_pipelines import images, job
from beam_pipelines.config import Config
from beam_pipelines.resizing import Resize

DEFAULTS = Config(
    source="",
    output_dir="",
    name="shades",
    splits="train:0.6,test:0.4",
    seed=0,
    encoding="keep",
    quality=95,
    resize=Resize(),
    shard_mb=128,
    num_classes=None,
    class_pattern=r"([^.]+)\.",
    max_bad_fraction=0.01,
    max_pixels=images.MAX_PIXELS,
    first_frame=False,
    duplicates="same_split",
    near_duplicates=None,
    near_duplicates_action="list",
    overwrite=False,
    command=["prepare"],
)


def prepare(source: pathlib.Path | str, output: pathlib.Path, *beam_flags: str, **changes):
    """Prepares a folder, or a `KIND:PATH`; returns the card."""
    spec = f"folder:{source}" if isinstance(source, pathlib.Path) else source
    config = dataclasses.replace(DEFAULTS, source=spec, output_dir=str(output), **changes)
    return job.run(config, list(beam_flags))


def everything(folder: pathlib.Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
