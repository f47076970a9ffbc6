"""Runs the job of `prepare` inside the test's own process."""

import csv
import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from beam_pipelines import sources
from beam_pipelines.config import Config
from beam_pipelines.pipeline import job
from beam_pipelines.rows import SourceImage
from input.dataset import dataset_dir
from input.loading import decode as records

DEFAULTS = Config(name="shades", splits="train:0.6,test:0.4", command=["prepare"])


def prepare(source: pathlib.Path | str, output: pathlib.Path | str, *beam_flags: str, **changes):
    """Prepares a folder, or a `KIND:PATH`; returns the card."""
    spec = f"folder:{source}" if isinstance(source, pathlib.Path) else source
    config = dataclasses.replace(DEFAULTS, source=spec, output_dir=str(output), **changes)
    return job.run(config, list(beam_flags))


def file_contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def stored_records(folder: pathlib.Path) -> dict[str, dict]:
    """Every record of a dataset directory: split, label (the class's name) and weight, by file."""
    card = dataset_dir.read_card(str(folder))
    found = {}
    for split in card.splits:
        paths = dataset_dir.shard_paths(str(folder), card, split)
        for record in tf.data.TFRecordDataset(paths).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            name = feature["file_name"].bytes_list.value[0].decode()
            assert name not in found
            found[name] = {
                "split": split,
                "label": card.classes[feature["label"].int64_list.value[0]],
                "weight": feature["weight"].float_list.value[0] if card.weighted else None,
            }
    return found


def list_images(spec: str, class_pattern: str = DEFAULTS.class_pattern) -> list[SourceImage]:
    """What a source lists, none of it opened."""
    return list(sources.read(spec, class_pattern).list_files())


def images_in_order(folder: pathlib.Path) -> dict[str, list[tuple[str, int, np.ndarray]]]:
    """File name, label and pixels of every record of a dataset directory, per split."""
    card = dataset_dir.read_card(str(folder))
    found: dict[str, list[tuple[str, int, np.ndarray]]] = {}
    for split in card.splits:
        paths = dataset_dir.shard_paths(str(folder), card, split)
        found[split] = []
        for record in tf.data.TFRecordDataset(paths):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            image, label = records.parse(record, card)
            assert image.shape == tuple(feature["shape"].int64_list.value)
            name = feature["file_name"].bytes_list.value[0].decode()
            found[split].append((name, int(label), image.numpy()))
    return found


def names_in_order(folder: pathlib.Path) -> dict[str, list[str]]:
    """File name of every record of a dataset directory, per split."""
    return {split: [row[0] for row in rows] for split, rows in images_in_order(folder).items()}


def quarantine_reasons(folder: pathlib.Path) -> dict[str, str]:
    """Why each file was set aside, by path."""
    rows = map(json.loads, (folder / "quarantine.jsonl").read_text().splitlines())
    return {row["path"]: row["reason"] for row in rows}


def write_listing(folder: pathlib.Path, rows: list[dict]) -> str:
    """Writes a listing beside its images; returns the source."""
    with open(folder / "listing.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"listing:{folder / 'listing.csv'}"
