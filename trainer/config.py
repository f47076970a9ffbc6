"""What a run is: everything that decides its result, kept in the run directory as `config.json`."""

import dataclasses
import json

from etils import epath

from headrace import UserError
from input.dataset_dir import Card
from input.order import Order
from input.view import View
from trainer.run_dir import CONFIG


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A training run.

    Attributes:
        data_dir: the dataset directory; `dataset_fingerprint` says which dataset it held.
        train_split, validation_split: what is trained on, and what is watched meanwhile (None for
            nothing), as `input.slices` reads them.
        classes, channels, mean, std: from the dataset's card; the model is built from them.
        image_size, resize_to, resize: rows and columns of the model's input, of the image that it
            is cut from, and how an image comes to that size; see `view`.
        normalization: one of `models.normalization.MODES`.
        model, model_options: as for `models.build`.
        batch_size: global, over all replicas.
        mixed_precision: `none`, `bfloat16` or `float16`, which layers compute in.
        accumulate, clip_norm, jit_compile: see `steps.make_train_steps`.
        ema: of the moving average of weights, the part that a step keeps; 0 for no average.
        batch_sampling: `natural`, or one of `input.sampling.BATCHES`.
        class_weights: `none`, or `balanced` to weigh the loss, see `input.sampling.class_weights`.
        lanes, chunk, window: decide the order of records; see `input.order`.
        augmentation: fields of `input.augmentation.Augmentation`.
        on_bad_record: `stop`, or `skip` to take the next good record in its place.
        cache, cache_dir: where decoded images are kept; see `input.cache`.
        init_from, init_checkpoint, init_optimizer: the run directory that it starts from, or none;
            see `trainer.init_from`.
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

    data_dir: str
    dataset_fingerprint: str
    train_split: str
    validation_split: str | None
    classes: list[str]
    channels: int
    mean: list[float]
    std: list[float]
    image_size: list[int]
    resize_to: list[int]
    resize: str
    normalization: str
    model: str
    model_options: dict[str, object]
    batch_size: int
    optimizer: str
    learning_rate: float
    mixed_precision: str
    accumulate: int
    clip_norm: float
    ema: float
    jit_compile: bool
    seed: int
    init_from: str
    init_checkpoint: str
    init_optimizer: str
    steps: int
    eval_every: int
    monitor: str
    patience: int
    plateau: int
    plateau_factor: float
    save_every_steps: int
    save_every_seconds: float
    keep: int
    max_minutes: float | None
    strategy: str
    devices: list[str]
    communication: str
    tpu: str
    deterministic: bool
    lanes: int
    batch_sampling: str
    class_weights: str
    chunk: int
    window: int
    on_bad_record: str
    cache: str
    cache_dir: str
    augmentation: dict[str, object]

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
    return json.dumps(dataclasses.asdict(config), indent=2, ensure_ascii=False) + "\n"


def exists(workdir: str) -> bool:
    """Whether a run has begun in a run directory."""
    return (epath.Path(workdir) / CONFIG).exists()


def read(workdir: str, flag: str = "--workdir") -> RunConfig:
    """Reads `config.json`.

    Args:
        workdir: the run directory.
        flag: that named it.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = epath.Path(workdir) / CONFIG
    if not exists(workdir):
        raise UserError(
            f"{workdir} is no run directory: it has no {CONFIG}; "
            f"train with `python -m trainer.task`, or check {flag}"
        )
    try:
        return RunConfig(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); use another {flag}") from None


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
