"""Files that are no sound images: set aside, each for its reason, or the job fails."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import images_in_order, prepare, quarantine_reasons
from tests.conftest import write_images

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


def test_colour_profiles_are_counted_and_not_applied(tmp_path):
    write_images(tmp_path / "source", {"a": 6, "b": 6})
    for n in range(4):
        plain_image = Image.open(tmp_path / f"source/a/{n:03d}.png")
        plain_image.save(tmp_path / f"source/a/{n:03d}.png", icc_profile=b"profile" * 40)
    plain = prepare(tmp_path / "source", tmp_path / "data", encoding="png")
    assert plain.source["with_profile"] == 4
    for rows in images_in_order(tmp_path / "data").values():
        for name, _, image in rows:
            given = np.asarray(Image.open(tmp_path / "source" / name))
            np.testing.assert_array_equal(image[..., 0], given)
