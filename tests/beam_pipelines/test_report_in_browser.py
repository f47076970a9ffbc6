"""The report of a real job, opened in headless Chromium."""

import json
import pathlib
import shlex
import shutil
import types

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver

from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import prepare

CLASSES = ["\"quotes\" & 'more'", "<img src=x onerror=alert(1)>", "plain", "日本語 ünïcödé"]
CLOSING = '" onload="document.title=1" id="owned.png'
SCRIPT = "<script>document.title=2.png"
COMMAND = [
    *("python", "-m", "beam_pipelines.prepare"),
    *("--source=folder:<b id='owned'>", "--class_pattern", "(a|b) \"c\" 'd'"),
]
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--disable-dev-shm-usage",
)


def write_source(folder: pathlib.Path) -> None:
    """Predefined train and test folders with everything that a report can show.

    13 to 16 images for training in each class and 4 for testing, all different; then an image
    three times in one class, one in two classes, two alike across splits, and three bad files.
    """
    rng = np.random.default_rng(0)

    def picture() -> Image.Image:
        coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        size = (int(rng.integers(60, 200)), int(rng.integers(60, 200)))
        return coarse.resize(size, Image.Resampling.BICUBIC)

    for number, name in enumerate(CLASSES):
        for split, count in (("train", 13 + number), ("test", 4)):
            (folder / split / name).mkdir(parents=True)
            for image in range(count):
                picture().save(folder / split / name / f"{image:02d}.png")
    train, test = folder / "train", folder / "test"
    for name in (CLOSING, "copy.png"):
        shutil.copy(train / CLASSES[0] / "00.png", train / CLASSES[0] / name)
    shutil.copy(train / CLASSES[1] / "00.png", train / CLASSES[2] / SCRIPT)
    Image.open(train / CLASSES[3] / "00.png").save(test / CLASSES[3] / "<i>.jpg", quality=60)
    (train / CLASSES[1] / "<b id=owned>notes.png").write_text("no image")
    (train / CLASSES[1] / "empty.png").write_bytes(b"")
    whole = (train / CLASSES[2] / "01.png").read_bytes()
    (test / CLASSES[2] / "cut & dried.png").write_bytes(whole[: len(whole) // 2])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert program, "this test needs Chromium: install chromium and chromium-driver"
    assert driver, "this test needs ChromeDriver: install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The open page: `card`, `quarantine`, `duplicates`, `url`, `console`, `requests`, `ask`."""
    folder = tmp_path_factory.mktemp("report")
    write_source(folder / "source")
    card = prepare(
        folder / "source",
        folder / "data",
        splits="train:0.8,validation:0.2",
        max_bad_fraction=0.1,
        near_duplicates=8,
        command=COMMAND,
    )
    url = (folder / "data" / dataset_dir.REPORT).as_uri()
    browser.get("about:blank")  # away from the browser's own first page
    for log in ("performance", "browser"):
        browser.get_log(log)
    browser.get(url)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return types.SimpleNamespace(
        card=card,
        quarantine=rows(folder / "data" / dataset_dir.QUARANTINE),
        duplicates=rows(folder / "data" / dataset_dir.DUPLICATES),
        url=url,
        console=browser.get_log("browser"),
        requests=[
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ],
        ask=lambda script: browser.execute_script(f"return {script}"),
    )


def rows(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def texts(opened, selector: str) -> list[str]:
    return opened.ask(f"Array.from(document.querySelectorAll('{selector}'), e => e.textContent)")


def table(opened, section: int) -> list[list[str]]:
    """The cells of a section's table, the header left out."""
    return opened.ask(
        f"Array.from(document.querySelectorAll('section')[{section}].querySelectorAll('tbody tr'),"
        " row => Array.from(row.cells, cell => cell.textContent))"
    )


def test_the_page_asks_for_nothing_and_says_nothing_on_the_console(opened):
    assert opened.console == []
    assert opened.requests[0] == opened.url
    asked = [
        *opened.requests[1:],
        *opened.ask("performance.getEntriesByType('resource').map(e => e.name)"),
    ]
    assert {url[:23] for url in asked} <= {"data:image/jpeg;base64,"}


def test_every_picture_has_loaded(opened):
    pictures = opened.ask(
        "Array.from(document.images, i => [i.complete, i.naturalWidth, i.naturalHeight])"
    )
    samples = sum(min(10, count) for count in opened.card.splits["train"].per_class)
    grouped = sum(len(group["images"]) for group in opened.duplicates)
    assert len(pictures) == samples + grouped
    assert all(done and width > 0 and height > 0 for done, width, height in pictures)


def test_every_section_is_there_with_the_numbers_of_the_card(opened):
    card = opened.card
    assert opened.ask("document.title") == "shades: 78 images"
    assert texts(opened, "h2") == [
        "Classes",
        "Splits",
        "Image sizes",
        "Channels of the training split, 0-255",
        "Samples of the training split",
        "Quarantine: 3 files left out",
        "Same pixels: 2 groups",
        "Look the same across splits: 1 images",
        "Where it came from",
    ]
    accounts = "81 files in the source = 78 records + 3 quarantined + 0 duplicates dropped"
    assert accounts in texts(opened, "p")
    per_class = np.array([split.per_class for split in card.splits.values()])
    assert per_class.sum() == 78
    assert [row[:5] for row in table(opened, 0)] == [
        [name, *map(str, counts), str(sum(counts))]
        for name, counts in zip(card.classes, per_class.T.tolist(), strict=True)
    ]
    assert [row[:2] for row in table(opened, 1)] == [
        [name, str(split.records)] for name, split in card.splits.items()
    ]
    assert [row[1:] for row in table(opened, 2)] == [
        [str(number) for number in values.values()] for values in card.image_size.values()
    ]
    assert [row[1:] for row in table(opened, 3)] == [
        [f"{mean:.3f}", f"{std:.3f}"] for mean, std in zip(card.mean, card.std, strict=True)
    ]
    assert texts(opened, "h3") == CLASSES


def test_each_histogram_counts_every_image_once(opened):
    bars = opened.ask(
        "Array.from(document.querySelectorAll('svg'), "
        "svg => Array.from(svg.querySelectorAll('title'), t => t.textContent))"
    )
    counts = [sum(int(bar.split()[-2].replace(",", "")) for bar in chart) for chart in bars]
    assert counts == [78, 78, 78]


def test_files_left_out_stand_there_with_their_reasons(opened):
    assert table(opened, 5) == [[*row.values()] for row in opened.quarantine]
    assert {row["reason"] for row in opened.quarantine} == {"not_an_image", "empty", "truncated"}


def test_duplicates_stand_side_by_side_as_in_the_file(opened):
    shown = opened.ask(
        "Array.from(document.querySelectorAll('.group'), group => "
        "Array.from(group.querySelectorAll('figure'), figure => "
        "Array.from(figure.querySelectorAll('span'), s => s.textContent)))"
    )
    assert shown == [
        [[image["class"], image["split"], image["path"]] for image in group["images"]]
        for group in opened.duplicates
    ]
    assert [len(group) for group in shown] == [2, 3, 2]
    assert texts(opened, ".warn") == ["the same picture under more than one class"]
    tops = opened.ask(
        "Array.from(document.querySelectorAll('.group'), group => new Set(Array.from("
        "group.querySelectorAll('img'), i => i.getBoundingClientRect().top)).size)"
    )
    assert tops == [1, 1, 1]


def test_names_do_not_become_markup(opened):
    for selector in ("script", "b", "i:not(.key i)", "#owned", "[onerror]", "[onload]"):
        assert opened.ask(f"document.querySelectorAll('{selector}').length") == 0, selector
    names = opened.ask("Array.from(document.images, i => [i.alt, i.title])")
    assert all(alt == title for alt, title in names)
    shown = {alt for alt, _ in names}
    assert {f"train/{CLASSES[0]}/{CLOSING}", f"train/{CLASSES[2]}/{SCRIPT}"} <= shown


def test_the_command_can_be_pasted(opened):
    (command,) = [text for text in texts(opened, "code") if text.startswith("python")]
    assert shlex.split(command.replace("\\\n", "")) == COMMAND


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(browser, opened, width):
    window = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    assert opened.ask("innerWidth") == width
    assert opened.ask("document.documentElement.scrollWidth") <= width
    outside = opened.ask(
        "Array.from(document.querySelectorAll('body *')).filter(e => !e.closest('.scroll') "
        "&& e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML)"
    )
    assert outside == []
