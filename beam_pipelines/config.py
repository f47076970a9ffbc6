"""Configuration of `prepare`: what to prepare, from where, to where, and how."""

import dataclasses

from beam_pipelines.images.resize import Resize

# What is done with images of the same pixels. `same_split`: kept, together in one split.
DUPLICATES = ("same_split", "drop", "fail", "allow")
NEAR_DUPLICATES_ACTIONS = ("list", "drop_from_eval")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration of a job.

    Attributes:
        source: `KIND:PATH`.
        output_dir: the dataset directory.
        name: name of the dataset.
        splits: as `split_spec.fractions` reads them; empty for the source's own, or the default.
        seed: seed of the split and of the order of records.
        encoding: one of `dataset_dir.ENCODINGS`.
        quality: quality of JPEGs that are written, 1-100.
        resize: size of images as stored.
        shard_mb: about how large a shard is, in MiB.
        num_classes: number of classes that there must be; None for any.
        class_pattern: regular expression of `filename:` sources.
        max_bad_fraction: fraction of unusable files above which the job fails.
        max_pixels: pixels of an image; a larger one is unusable.
        first_frame: whether an animation's first frame is used.
        duplicates: one of `DUPLICATES`.
        near_duplicates: number of 64 bits that may differ; None to not look for them.
        near_duplicates_action: one of `NEAR_DUPLICATES_ACTIONS`.
        overwrite: whether a finished dataset may be replaced.
        command: command line, for the card.
    """

    source: str
    output_dir: str
    name: str
    splits: str
    seed: int
    encoding: str
    quality: int
    resize: Resize
    shard_mb: int
    num_classes: int | None
    class_pattern: str
    max_bad_fraction: float
    max_pixels: int
    first_frame: bool
    duplicates: str
    near_duplicates: int | None
    near_duplicates_action: str
    overwrite: bool
    command: list[str]
