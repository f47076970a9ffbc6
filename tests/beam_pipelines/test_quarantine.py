"""Files that are no sound images: set aside, each for its reason, or the job fails."""

import json

import numpy as np
import pytest
from PIL import Image

from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import images_in_order, prepare, quarantine_reasons
from tests.conftest import assert_one_line_error, run_program, write_images

FRAMES = [photo(seed, size=(24, 16)) for seed in range(3)]


BAD = {
    "empty.png": (b"", "empty"),
    "notes.txt": (b"these are notes", "not_an_image"),
    "page.jpg": (b"<html><body>404 Not Found</body></html>", "not_an_image"),
    "drawing.eps": (image_bytes(FRAMES[0], "EPS"), "not_an_image"),
    "cut.jpg": (image_bytes(FRAMES[0], "JPEG")[:-300], "truncated"),
    "cut.png": (image_bytes(FRAMES[0], "PNG")[:-300], "truncated"),
    "head.jpg": (image_bytes(FRAMES[0], "JPEG")[:100], "truncated"),
    "large.png": (image_bytes(Image.new("L", (101, 100)), "PNG"), "too_large"),
    "large.gif": (image_bytes(Image.new("L", (20_000, 20_000)), "GIF"), "too_large"),
    "film.gif": (
        image_bytes(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
        "animated",
    ),
    "film.webp": (
        image_bytes(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
        "animated",
    ),
    "film.png": (
        image_bytes(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
        "animated",
    ),
    "pages.tiff": (
        image_bytes(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]),
        "animated",
    ),
    "levels.tiff": (image_bytes(Image.new("F", (8, 8)), "TIFF"), "undecodable"),
}


def test_bad_files_are_set_aside_with_reasons(source, tmp_path):
    (source / "dark" / "notes.png").write_text("no image")
    whole = (source / "light" / "000.png").read_bytes()
    (source / "light" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (source / "light" / ".hidden").write_text("passed over")
    card = prepare(source, tmp_path / "data", max_bad_fraction=0.1)
    lines = (tmp_path / "data/quarantine.jsonl").read_text().splitlines()
    found = {row["path"]: row["reason"] for row in map(json.loads, lines)}
    assert found == {"dark/notes.png": "not_an_image", "light/cut.png": "truncated"}
    assert sum(split.records for split in card.splits.values()) == 30
    assert (card.source["images"], card.source["quarantined"]) == (32, 2)
    assert "light/cut.png" in (tmp_path / "data/report.html").read_text()


def test_every_bad_file_is_set_aside_for_its_own_reason(tmp_path):
    write_images(tmp_path / "source", {"a": 6, "b": 6})
    for name, (data, _) in BAD.items():
        (tmp_path / "source/a" / name).write_bytes(data)
    (tmp_path / "source/b/nowhere.png").symlink_to(tmp_path / "gone.png")
    card = prepare(tmp_path / "source", tmp_path / "data", max_bad_fraction=1, max_pixels=10_000)
    expected = {f"a/{name}": reason for name, (_, reason) in BAD.items()}
    assert quarantine_reasons(tmp_path / "data") == {**expected, "b/nowhere.png": "unreadable"}
    lines = (tmp_path / "data/quarantine.jsonl").read_text().splitlines()
    assert lines == sorted(lines)
    assert all(json.loads(line)["detail"] for line in lines)
    assert card.source["images"] == 12 + len(BAD) + 1
    assert card.source["quarantined"] == len(BAD) + 1
    assert sum(split.records for split in card.splits.values()) == 12


def test_of_animations_the_first_frame_is_stored_on_request(tmp_path):
    write_images(tmp_path / "source", {"a": 4, "b": 4}, size=(16, 24))
    films = [name for name, (_, reason) in BAD.items() if reason == "animated"]
    for name in films:
        (tmp_path / "source/a" / name).write_bytes(BAD[name][0])
    card = prepare(tmp_path / "source", tmp_path / "data", first_frame=True)
    assert card.source["quarantined"] == 0
    stored = images_in_order(tmp_path / "data")
    shown = {name: image for rows in stored.values() for name, _, image in rows}
    for name in films:
        error = np.abs(shown[f"a/{name}"].astype(int) - np.asarray(FRAMES[0]))
        assert error.mean() < 16, name
        assert np.abs(error.mean() - np.abs(np.asarray(FRAMES[1], int) - FRAMES[0]).mean()) > 5


@pytest.mark.parametrize(
    ("name", "size", "how"),
    [
        ("long.png", (66_000, 1), {"encoding": "jpeg"}),
        ("long.jpg", (33_000, 1), {"short_side": 2}),
    ],
)
def test_an_image_longer_than_a_jpeg_can_be_is_set_aside(source, tmp_path, name, size, how):
    Image.new("L", size, 9).save(source / "dark" / name)
    prepare(source, tmp_path / "data", max_bad_fraction=0.1, **how)
    (row,) = map(json.loads, (tmp_path / "data/quarantine.jsonl").read_text().splitlines())
    assert (row["path"], row["reason"]) == (f"dark/{name}", "too_large")
    assert "66000 x" in row["detail"]


def test_a_truncated_jpeg_fails_a_small_job(source, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = source / "dark" / "photo.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"dark/photo\.jpg \(truncated"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


def test_too_many_bad_files_fail_the_job_and_leave_no_card(source, tmp_path):
    (source / "dark" / "notes.png").write_text("no image")
    finished = run_program(
        "beam_pipelines.prepare", f"--source=folder:{source}", f"--output_dir={tmp_path / 'data'}"
    )
    assert_one_line_error(
        finished, 1, "1 of 31 files", "dark/notes.png", "not_an_image", "--max_bad_fraction"
    )
    assert "notes.png" in (tmp_path / "data/quarantine.jsonl").read_text()
    with pytest.raises(UserError, match="no finished dataset"):
        dataset_dir.read_card(str(tmp_path / "data"))


def test_the_largest_share_of_bad_files_that_is_allowed_is_allowed(tmp_path):
    write_images(tmp_path / "source", {"a": 10, "b": 10})
    (tmp_path / "source/a/000.png").write_bytes(b"")
    prepare(tmp_path / "source", tmp_path / "data", max_bad_fraction=0.05)
    (tmp_path / "source/a/001.png").write_bytes(b"")
    with pytest.raises(UserError, match="2 of 20 files"):
        prepare(tmp_path / "source", tmp_path / "other", max_bad_fraction=0.05)
    assert len(quarantine_reasons(tmp_path / "other")) == 2


def test_a_class_of_which_nothing_is_left_fails_the_job(source, tmp_path):
    (source / "notes").mkdir()
    (source / "notes" / "todo.txt").write_text("no image")
    with pytest.raises(UserError, match=r"class 'notes' of .* has no sound image"):
        prepare(source, tmp_path / "data", max_bad_fraction=1)
