"""What a run is: everything that decides its result, kept in the run directory as `config.json`."""

import dataclasses
import json

import headrace
from headrace import files
from headrace.errors import UserError
from input.dataset.dataset_dir import Card
from input.preprocessing.spec import View
from input.sampling.order import Order
from trainer.run_dir import CONFIG

# Rises when a field comes to mean something else; a field more needs no other number, as each has
# a default. A file without a number is of the first format.
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A training run.

    Attributes:
        data_dir: the dataset directory; `dataset_fingerprint` says which dataset it held.
        train_split, validation_split: what is trained on, and what is watched meanwhile (None for
            nothing), as `input.dataset.split_spec` reads them.
        classes, channels, mean, std: from the dataset's card; the model is built from them.
        image_size, resize_to, resize: rows and columns of the model's input, of the image that it
            is cut from, and how an image comes to that size; see `view`.
        normalization: one of `models.layers.normalization.MODES`.
        model, model_options: as for `models.build`.
        batch_size: global, over all replicas.
        mixed_precision: `none`, `bfloat16` or `float16`, which layers compute in.
        accumulate, clip_norm, jit_compile: see `steps.make_train_steps`.
        ema: of the moving average of weights, the part that a step keeps; 0 for no average.
        batch_sampling: `natural`, or one of `input.sampling.class_sampling.BATCHES`.
        class_weights: `none`, or `balanced` to weigh the loss, see `input.sampling.class_sampling`.
        lanes, chunk, window: decide the order of records; see `input.sampling.order`.
        augmentation: fields of `input.augment.config.Augmentation`.
        on_bad_record: `stop`, or `skip` to take the next good record in its place.
        cache, cache_dir: where decoded images are kept; see `input.loading.cache_policy`.
        init_from, init_checkpoint, init_optimizer: the run directory that it starts from, or none;
            see `trainer.checkpoints.warm_start`.
        steps: at which training ends.
        eval_every: epochs between evaluations.
        monitor: one of `monitor.NAMES`, which the best checkpoint has the best of.
        patience: evaluations without a better one that end the run; 0 for no such end.
        plateau: evaluations without a better one after which the learning rate is multiplied by
            plateau_factor, each time anew; 0 for a constant one.
        save_every_steps, save_every_seconds: between checkpoints; no seconds if 0.
        keep: how many of the latest checkpoints stay.
        max_minutes: after which a start saves and ends; None for no end but the last step.
        strategy, devices, communication, tpu: as for `strategies.create`.
    """

    data_dir: str = ""
    dataset_fingerprint: str = ""
    train_split: str = "train"
    validation_split: str | None = None
    classes: list[str] = dataclasses.field(default_factory=list)
    channels: int = 3
    mean: list[float] = dataclasses.field(default_factory=list)
    std: list[float] = dataclasses.field(default_factory=list)
    image_size: list[int] = dataclasses.field(default_factory=list)
    resize_to: list[int] = dataclasses.field(default_factory=list)
    resize: str = "cover"
    normalization: str = "channel"
    model: str = ""
    model_options: dict[str, object] = dataclasses.field(default_factory=dict)
    batch_size: int = 64
    optimizer: str = "momentum"
    learning_rate: float = 0.01
    mixed_precision: str = "none"
    accumulate: int = 1
    clip_norm: float = 0.0
    ema: float = 0.0
    jit_compile: bool = False
    seed: int = 0
    init_from: str = ""
    init_checkpoint: str = "best"
    init_optimizer: str = "fresh"
    steps: int = 0
    eval_every: int = 1
    monitor: str = "rank1"
    patience: int = 0
    plateau: int = 0
    plateau_factor: float = 0.1
    save_every_steps: int = 0
    save_every_seconds: float = 0.0
    keep: int = 3
    max_minutes: float | None = None
    strategy: str = "auto"
    devices: list[str] = dataclasses.field(default_factory=list)
    communication: str = "auto"
    tpu: str = ""
    deterministic: bool = False
    lanes: int = 8
    batch_sampling: str = "natural"
    class_weights: str = "none"
    chunk: int = 1
    window: int = 1
    on_bad_record: str = "stop"
    cache: str = "auto"
    cache_dir: str = "~/.cache/headrace/decoded"
    augmentation: dict[str, object] = dataclasses.field(default_factory=dict)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of the model's input: rows, columns, channels."""
        return (*self.image_size, self.channels)

    @property
    def view(self) -> View:
        """How an image becomes the model's input."""
        return View(tuple(self.image_size), tuple(self.resize_to), self.resize)

    def order(self, records: int) -> Order:
        """The order of a training split of so many records."""
        return Order(
            records,
            self.batch_size,
            self.lanes,
            self.seed,
            self.chunk,
            self.window,
            self.batch_sampling,
        )


def to_json(config: RunConfig) -> str:
    """What `read` reads."""
    values = {"format": FORMAT, **dataclasses.asdict(config)}
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def exists(workdir: str) -> bool:
    """Whether a run has begun in a run directory."""
    return files.exists(f"{workdir}/{CONFIG}")


def read(workdir: str, flag: str = "--workdir") -> RunConfig:
    """Reads `config.json`.

    Args:
        workdir: the run directory.
        flag: that named it.

    Raises:
        UserError: there is none, it cannot be read, or a newer Headrace wrote it.
    """
    path = f"{workdir}/{CONFIG}"
    if not exists(workdir):
        raise UserError(
            f"{workdir} is no run directory: it has no {CONFIG}; "
            f"train with `python -m trainer.task`, or check {flag}"
        )
    try:
        values = dict(json.loads(files.read(path)))
        written = int(values.pop("format", 1))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); use another {flag}") from None
    unknown = sorted(values.keys() - {field.name for field in dataclasses.fields(RunConfig)})
    if written > FORMAT or unknown:
        fields = f" with {', '.join(unknown)}" if unknown else ""
        raise UserError(
            f"{path} is of format {written}{fields}, and this Headrace ({headrace.__version__}) "
            f"reads format {FORMAT}: a newer one wrote it; install that, or use another {flag}"
        )
    return RunConfig(**values)


def image_size(card: Card, asked: list[int]) -> list[int]:
    """The size of the model's input: as asked for, or that of the dataset's images.

    Raises:
        UserError: none was asked for and the images differ in size.
    """
    if asked:
        return asked
    if card.uniform_size is None:
        rows, columns = card.image_size["rows"], card.image_size["columns"]
        raise UserError(
            f"the images of {card.name} differ in size ({rows['min']}-{rows['max']} rows, "
            f"{columns['min']}-{columns['max']} columns); say --image_size=ROWS,COLUMNS"
        )
    return list(card.uniform_size)
