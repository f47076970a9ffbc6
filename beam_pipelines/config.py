"""Configuration of `prepare`: what to prepare, from where, to where, and how."""

import dataclasses
import os
import re
from typing import Any

from beam_pipelines import sources
from beam_pipelines.images import decode, resize
from beam_pipelines.images.resize import Resize
from beam_pipelines.planning import split_shares
from headrace import files
from headrace.config_flags import PathParser, ValueParser, option
from headrace.errors import check as check_usage
from input.dataset import dataset_dir

# What is done with images of the same pixels. `same_split`: kept, together in one split.
DUPLICATES = ("same_split", "drop", "fail", "allow")
NEAR_DUPLICATES_ACTIONS = ("list", "drop_from_eval")

# The name is a part of file names, which have 255 bytes.
_LONGEST_NAME = 100


class _SizeParser(ValueParser):
    """Reads `224` or `224,320` as rows and columns."""

    def parse(self, argument: Any) -> tuple[int, int]:
        """Return rows and columns."""
        return resize.parse_size(argument) if isinstance(argument, str) else argument

    def format(self, value: tuple[int, int]) -> str:
        """Return `rows,columns`."""
        return ",".join(map(str, value))


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration of a job. `resolve` fills in what is left out."""

    source: str = option(
        None,
        "Where the images are, as KIND:PATH. Kinds: "
        + "; ".join(f"{kind}: {text}" for kind, text in sources.KINDS.items())
        + ". Paths are local or gs://.",
    )
    output_dir: str = option(None, "The dataset directory to write.", parser=PathParser())
    name: str = option(
        None,
        "The dataset's name: lower-case letters, digits and _. Default: the last part of the "
        "source.",
    )
    num_classes: int | None = option(None, "Fail unless the source has so many classes.", minimum=2)
    class_pattern: str = option(
        r"([^.]+)\.",
        "For filename: sources, a regular expression that a file's name begins with; its first "
        "group is the class.",
    )
    splits: str = option(
        "",
        "Splits, stratified by class: fractions that sum to 1; sizes (train gets the rest); auto: "
        "20 per cent for testing under 1,000 images, 10 under 10,000, else 5, and a tenth of the "
        f"others for validation; kfold:N for N folds. Default: {split_shares.DEFAULT}, or the "
        "source's own splits. Given for a source with its own splits, it divides its train split.",
    )
    seed: int = option(0, "Seed of the split and of the order of records.", minimum=0)
    duplicates: str = option(
        "same_split",
        "What to do with images of the same pixels: keep them in one split, drop all but one of "
        "each class, fail, or treat them as any others. They are reported in any case.",
        choices=DUPLICATES,
    )
    near_duplicates: int | None = option(
        None,
        "List images that look like one of another split: those whose 64-bit perceptual hashes "
        "differ in at most so many bits.",
        minimum=0,
        maximum=16,
    )
    near_duplicates_action: str = option(
        "list",
        "What to do with them: list them, or also drop those of validation and test.",
        choices=NEAR_DUPLICATES_ACTIONS,
    )
    size: tuple[int, int] | None = option(
        None,
        "Scale to cover this size, crop the centre: a side in pixels, or rows,columns.",
        parser=_SizeParser(),
    )
    short_side: int | None = option(
        None, "Scale so that the shorter side has so many pixels.", minimum=1
    )
    max_side: int | None = option(
        None, "Shrink images whose longer side has more pixels.", minimum=1
    )
    encoding: str = option(
        "keep",
        "How images are stored: the file's own bytes where the input pipeline reads them as they "
        "are, as JPEG, as PNG, as raw uint8 or as float32 pixels.",
        choices=dataset_dir.ENCODINGS,
    )
    quality: int = option(95, "Quality of JPEGs that are written.", minimum=1, maximum=100)
    shard_mb: int = option(128, "About how large a shard is, in MiB.", minimum=1)
    max_bad_fraction: float = option(
        0.01, "Fail when more than this fraction of the files is unusable.", minimum=0, maximum=1
    )
    max_pixels: int = option(
        decode.MAX_PIXELS, "Set larger images aside without decoding them.", minimum=1
    )
    first_frame: bool = option(
        False, "Use the first frame of animations instead of setting them aside."
    )
    overwrite: bool = option(False, "Replace a finished dataset in `output_dir`.")
    command: list[str] = option([], flag=None)

    @property
    def resize(self) -> Resize:
        """The size of images as stored."""
        return Resize(self.size, self.short_side, self.max_side)


def resolve(config: Config, command: list[str]) -> Config:
    """Fill in what is left out, and make the folder one that workers find from anywhere.

    Args:
        config: configuration as the flags say.
        command: the command line, for the card.
    """
    return dataclasses.replace(
        config,
        output_dir=files.absolute(config.output_dir),
        name=config.name or _default_name(config.source),
        command=command,
    )


def check(config: Config) -> None:
    """Make sure that values make sense together.

    Raises:
        UsageError: they do not.
    """
    sizes = [name for name in ("size", "short_side", "max_side") if getattr(config, name)]
    check_usage(
        len(sizes) < 2,
        f"{' and '.join(f'`{name}`' for name in sizes)} contradict each other; give one of them",
    )
    check_usage(
        re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}", config.name),
        f"`name`={config.name}: expected lower-case letters, digits and _, a letter first, "
        f"at most {_LONGEST_NAME} in all",
    )
    for word in config.command:
        check_usage(_is_utf8(word), f"{word!a} is no UTF-8, which the card holds; rename the file")
    drops = config.near_duplicates_action == "drop_from_eval"
    check_usage(
        not drops or config.near_duplicates is not None,
        "`near_duplicates_action`=drop_from_eval needs `near_duplicates`=BITS",
    )
    check_usage(
        not drops or not config.splits.startswith("kfold:"),
        "`near_duplicates_action`=drop_from_eval: folds have no split for evaluation; list them",
    )


def _default_name(source: str) -> str:
    """Return a dataset name made of the last part of the source."""
    last = os.path.basename(files.absolute(source.partition(":")[2]))
    stem = re.sub(r"\.(csv|tsv|jsonl?|ndjson|h5|hdf5)$", "", last.lower())
    plain = re.sub(r"[^a-z0-9]+", "_", stem).strip("_") or "images"
    return re.sub(r"^(?=[^a-z])", "images_", plain)[:_LONGEST_NAME]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of another encoding that came in a path
        return False
    return True
