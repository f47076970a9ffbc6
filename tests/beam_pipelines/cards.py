"""Cards and samples for what is rendered or written of a dataset, made without one."""

from input.dataset.dataset_dir import Card, Shard, Split

NASTY = "<script>alert('&')</script>"
# How the name of the only shard of a split ends.
ONLY = "tfrecord-00000-of-00001"


def make_card(**changes) -> Card:
    """The card of 2,040 flowers in two splits; fields may be given."""
    sizes = {"min": 7, "p5": 8, "p50": 9, "p95": 10, "max": 4321}
    fields = {
        "name": "flowers",
        "classes": ["rose", NASTY],
        "encoding": "keep",
        "channels": 3,
        "mean": [101.125, 102.25, 103.5],
        "std": [51.0, 52.0, 53.0],
        "image_size": {"rows": sizes, "columns": sizes},
        "splits": {
            "train": Split([1500, 500], [Shard(f"flowers-train.{ONLY}", 2000, 2_500_000, "ab")]),
            "test": Split([30, 10], [Shard(f"flowers-test.{ONLY}", 40, 50_000, "cd")]),
        },
        "split_fractions": {"train": 0.98, "test": 0.02},
        "seed": 42,
        "weighted": False,
        "source": {
            "spec": f"folder:{NASTY}",
            "images": 2051,
            "quarantined": 1,
            "duplicates_dropped": 7,
            "near_duplicates_dropped": 3,
            "with_profile": 77,
            "fingerprint": "e",
        },
        "duplicates": {"groups": 8, "conflicts": 1, "leaks": 0, "near": 3},
        "fingerprint": "0123abcd",
        "command": ["python", "-m", "beam_pipelines.prepare", "--name=two words"],
        "headrace": "1.2.3",
    }
    return Card(**{**fields, **changes})


def picture(path: str, label=0, **more) -> dict:
    """A sample as the plan's summary names it, of a class or among duplicates."""
    place = {"path": path, "file": path, "offset": 0, "length": 9}
    return {**place, "class": label, "classes": [label], **more}


def draw(picture: dict) -> bytes:
    """A thumbnail that tells whose it is."""
    return b"\xff\xd8" + picture["path"].encode()
