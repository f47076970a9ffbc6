"""`tiny_imagenet:` reads the archive's layout, and notices when a part of it is missing."""

import json

import pytest

from headrace.errors import UserError
from tests.beam_pipelines.jobs import prepare, stored_records
from tests.conftest import write_images

WORDS = "n01443537\tgoldfish, Carassius auratus\nn02012849\tcrane\nn03126707\tcrane\nn9\tunused\n"
WNIDS = ("n01443537", "n02012849", "n03126707")


@pytest.fixture
def archive(tmp_path):
    """Three classes, two of which are called crane (the bird and the machine)."""
    root = tmp_path / "tiny-imagenet-200"
    write_images(root / "made", {**dict.fromkeys(WNIDS, 3), "val": 4, "test": 2})
    for wnid in WNIDS:
        (root / "train" / wnid).mkdir(parents=True)
        (root / "made" / wnid).rename(root / "train" / wnid / "images")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("0\t0\t1\t1\n")
    for split in ("val", "test"):
        (root / split).mkdir()
        (root / "made" / split).rename(root / split / "images")
    (root / "made").rmdir()
    lines = [f"{i:03d}.png\t{WNIDS[i % 3]}\t0\t32\t44\t62\n" for i in range(4)]
    (root / "val/val_annotations.txt").write_text("".join(lines))
    (root / "words.txt").write_text(WORDS)
    return root


def spec(root):
    return f"tiny_imagenet:{root}"


def test_classes_have_readable_names_and_validation_images_their_labels(archive, tmp_path):
    card = prepare(spec(archive), tmp_path / "data", splits="")
    assert card.classes == ["goldfish (n01443537)", "crane (n02012849)", "crane (n03126707)"]
    found = stored_records(tmp_path / "data")
    assert len(found) == 9 + 4  # boxes are no images, and test/ has no labels
    for path, row in found.items():
        if row["split"] == "train":
            assert path.split("/")[1] in row["label"]
        else:
            assert row["split"] == "validation"
            assert WNIDS[int(path[-7:-4]) % 3] in row["label"]


def test_a_test_split_can_be_cut_from_train(archive, tmp_path):
    card = prepare(spec(archive), tmp_path / "data", splits="train:0.67,test:0.33")
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 6,
        "test": 3,
        "validation": 4,
    }


def test_a_class_without_a_word_keeps_its_wordnet_number(archive, tmp_path):
    (archive / "words.txt").write_text("n01443537\tgoldfish\n")
    card = prepare(spec(archive), tmp_path / "data", splits="")
    assert card.classes == ["goldfish (n01443537)", "n02012849", "n03126707"]


def test_an_annotated_image_that_is_missing_is_quarantined(archive, tmp_path):
    (archive / "val/images/002.png").unlink()
    card = prepare(spec(archive), tmp_path / "data", splits="", max_bad_fraction=0.2)
    (line,) = (tmp_path / "data/quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "val/images/002.png"
    assert card.source["images"] == 13


def test_another_number_of_classes_than_200_is_refused(archive, tmp_path):
    with pytest.raises(UserError, match=r"has 3 classes .*`num_classes` says 200"):
        prepare(spec(archive), tmp_path / "data", num_classes=200)


def unlink(path):
    return lambda root: (root / path).unlink()


def rewrite(path, content):
    return lambda root: (root / path).write_bytes(content)


def empty_class(root):
    for path in (root / "train/n02012849/images").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (unlink("words.txt"), r"words\.txt cannot be read: No such file"),
        (unlink("val/val_annotations.txt"), "val_annotations.txt cannot be read: No such file"),
        (rewrite("words.txt", b"\xff\xfe"), r"words\.txt cannot be read: 'utf-8'"),
        (rewrite("words.txt", b"n01443537 goldfish"), "expected tab-separated columns"),
        (rewrite("val/val_annotations.txt", b"000.png\tn1\n"), "000.png is of n1, which train/"),
        (
            rewrite("val/val_annotations.txt", b"000.png\tn02012849\n"),
            r"val/images/001\.png is not in val_annotations\.txt",
        ),
        (empty_class, "train/n02012849/images has no image"),
        (lambda root: (root / "train").rename(root / "t"), "train is no folder"),
        (lambda root: (root / "val/images").rename(root / "v"), "val/images is no folder"),
    ],
)
def test_an_archive_that_is_not_whole_is_refused(archive, tmp_path, change, words):
    change(archive)
    with pytest.raises(UserError, match=words):
        prepare(spec(archive), tmp_path / "data", splits="")
    assert not (tmp_path / "data").exists()


def test_one_class_alone_is_refused(tmp_path):
    write_images(tmp_path / "train" / "n1", {"images": 3})
    (tmp_path / "words.txt").write_text("n1\tgoldfish\n")
    (tmp_path / "val/images").mkdir(parents=True)
    (tmp_path / "val/val_annotations.txt").write_text("")
    with pytest.raises(UserError, match="one class only"):
        prepare(spec(tmp_path), tmp_path / "data", splits="")
