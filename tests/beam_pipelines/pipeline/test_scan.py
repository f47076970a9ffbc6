"""The scan: what it notes of every image, and each file that is none, set aside for its reason."""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.config import Config
from beam_pipelines.images import hashing, resize
from beam_pipelines.images.decode import BadImageError
from beam_pipelines.pipeline import scan
from beam_pipelines.rows import RejectedFile, ScannedImage, SourceImage
from headrace import files
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import (
    file_contents,
    images_in_order,
    prepare,
    quarantine_reasons,
)
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


Page = list[tuple[SourceImage, bytes | BadImageError]]


@dataclasses.dataclass(frozen=True)
class Album:
    """A container of pages, each a part."""

    pages: list[Page]

    def ranges(self) -> list[int]:
        return list(range(len(self.pages)))

    def unpack(self, part: int):
        return iter(self.pages[part])


def scan_rows(
    folder: pathlib.Path, listed: list[SourceImage], album: Album | None = None, **changes
) -> list[ScannedImage | RejectedFile]:
    """The rows of one task: of listed files, or of the first page of an album."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    job = scan.ScanJob(Config(**changes), str(folder), str(work), album)
    if album is None:
        files.write_rows(f"{work}/listing-000000007.jsonl", listed)
    scan.run_task(job, (7, 0 if album else None))
    return [
        RejectedFile(**row) if "reason" in row else ScannedImage(**row)
        for row in files.read_rows(f"{work}/scan-000000007.jsonl")
    ]


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["L", "RGB"]))
@settings(max_examples=25)
def test_a_row_tells_what_the_image_is_and_what_will_be_stored(
    tmp_path_factory, number, rows, columns, mode
):
    folder = tmp_path_factory.mktemp("scan")
    image = photo(number, size=(columns, rows)).convert(mode)
    data = image_bytes(image, "PNG")
    (folder / "a.png").write_bytes(data)
    listed = SourceImage("a.png", "cat", "test", "patient", 0.5)
    (row,) = scan_rows(folder, [listed], max_side=16, seed=3)
    assert (
        SourceImage(**{f.name: getattr(row, f.name) for f in dataclasses.fields(listed)}) == listed
    )
    assert (row.file, row.offset, row.length) == ("a.png", 0, len(data))
    assert row.digest == hashlib.sha256(data).hexdigest()
    assert row.content_hash == hashing.content_hash(image)
    assert row.split_rank == hashing.rank(row.content_hash, 3, "split")
    assert row.order_rank == hashing.rank(row.content_hash, 3, "order")
    assert (row.source_rows, row.source_columns) == (rows, columns)
    stored = resize.apply(resize.Resize(max_side=16), image)
    assert (row.rows, row.columns) == (stored.height, stored.width)
    assert row.verbatim == (max(rows, columns) <= 16)
    pixels = np.asarray(stored, object).reshape(stored.height * stored.width, -1)
    assert row.channels == len(mode)
    assert (row.sums, row.squares) == (pixels.sum(0).tolist(), (pixels**2).sum(0).tolist())


def test_a_perceptual_hash_is_made_only_where_it_is_looked_at(tmp_path):
    (tmp_path / "a.png").write_bytes(image_bytes(FRAMES[0], "PNG"))
    (without,) = scan_rows(tmp_path, [SourceImage("a.png", "cat")])
    (row,) = scan_rows(tmp_path, [SourceImage("a.png", "cat")], near_duplicates=0)
    assert without.perceptual_hash == 0
    assert row.perceptual_hash == hashing.perceptual_hash(FRAMES[0]) != 0


def test_an_image_that_would_grow_beyond_the_largest_is_refused_before_it_does(tmp_path):
    (tmp_path / "a.png").write_bytes(image_bytes(FRAMES[0], "PNG"))
    listed = [SourceImage("a.png", "cat")]
    (row,) = scan_rows(tmp_path, listed, short_side=100_000, max_pixels=10**6)
    assert row == RejectedFile("a.png", "too_large", "150000 x 100000 pixels once resized")
    (row,) = scan_rows(tmp_path, listed, short_side=160, max_pixels=240 * 160)
    assert (row.rows, row.columns) == (160, 240)


def test_the_usable_images_of_a_container_are_spilled_so_that_each_is_read_alone(tmp_path):
    sound = [image_bytes(frame, kind) for frame in FRAMES for kind in ("PNG", "JPEG")]
    broken = BadImageError("undecodable", "its pixels are -1 to 3")
    given: list[bytes | BadImageError] = [
        sound[0],
        b"no image",
        *sound[1:4],
        broken,
        *sound[4:],
        b"",
    ]
    page: Page = [(SourceImage(f"images/{n}", "cat"), data) for n, data in enumerate(given)]
    rows = scan_rows(tmp_path, [], Album([page]))
    assert [row.path for row in rows] == [listed.path for listed, _ in page]
    reasons = {row.path: row.reason for row in rows if isinstance(row, RejectedFile)}
    assert reasons == {
        "images/1": "not_an_image",
        "images/5": "undecodable",
        "images/8": "empty",
    }
    read = [
        scan.read_image(str(tmp_path), row.file, row.offset, row.length)
        for row in rows
        if isinstance(row, ScannedImage)
    ]
    assert read == sound
    (spill,) = (tmp_path / "work").glob("spill-*")
    assert spill.read_bytes() == b"".join(sound)


def test_a_task_that_is_tried_again_writes_the_same(tmp_path):
    page: Page = [(SourceImage(f"{n}", "cat"), image_bytes(f, "PNG")) for n, f in enumerate(FRAMES)]
    scan_rows(tmp_path, [], Album([page, []]))
    before = file_contents(tmp_path)
    scan_rows(tmp_path, [], Album([page, []]))
    assert file_contents(tmp_path) == before
    assert before.keys() == {"work/scan-000000007.jsonl", "work/spill-000000007"}


def test_a_file_that_cannot_be_read_is_set_aside_and_those_after_it_are_not(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "z.png").write_bytes(image_bytes(FRAMES[0], "PNG"))
    names = ["gone.png", "folder.png", "nul\0.png", "z.png"]
    rows = scan_rows(tmp_path, [SourceImage(name, "cat") for name in names])
    assert [getattr(row, "reason", None) for row in rows] == ["unreadable"] * 3 + [None]
    assert [row.path for row in rows] == names
    assert rows[0].detail == "No such file or directory"
    assert "null byte" in rows[2].detail


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(-1, 50))
def test_part_of_a_file_is_read_alone(tmp_path_factory, data, offset, length):
    folder = tmp_path_factory.mktemp("part")
    (folder / "spill").write_bytes(data)
    expected = data[offset:] if length < 0 else data[offset : offset + length]
    assert scan.read_image(str(folder), "spill", offset, length) == expected
    assert scan.read_image("elsewhere", f"{folder}/spill") == data
