"""Recipes: found wherever Headrace is installed, and weaker than all flags beside them."""

import json
import subprocess
import sys
import zipfile

import pytest
from absl import flags

from headrace import recipes
from tests.conftest import ROOT, run_program

LENET = recipes.read("digits_lenet")


def parse(*arguments: str) -> flags.FlagValues:
    """The flags of a program that has some of a run's."""
    values = flags.FlagValues()
    for name in ("data_dir", "model", "model_options", "image_size", "optimizer", "learning_rate"):
        flags.DEFINE_string(name, None, "", flag_values=values)
    for name in ("epochs", "batch_size"):
        flags.DEFINE_integer(name, None, "", flag_values=values)
    flags.DEFINE_string("recipe", None, "", flag_values=values)
    values(recipes.expand(["program", *arguments]))
    return values


def test_a_recipe_gives_its_flags():
    values = parse("--recipe=digits_lenet", "--data_dir=data")
    assert (values.model, values.epochs, values.batch_size) == ("lenet", 30, 32)
    assert (values.data_dir, values.recipe) == ("data", "digits_lenet")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--recipe=digits_lenet", "--epochs=2"],
        ["--epochs=2", "--recipe=digits_lenet"],
        ["--epochs", "2", "--recipe", "digits_lenet"],
        ["--data_dir", "data", "--epochs=2", "-recipe=digits_lenet"],
        ["--flagfile=own.flags", "--recipe=digits_lenet"],
        ["--recipe=digits_lenet", "--flagfile=own.flags"],
        ["--flagfile=both.flags"],
    ],
)
def test_what_is_given_beside_a_recipe_wins_wherever_it_stands(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.flags").write_text("--epochs=2\n")
    (tmp_path / "both.flags").write_text("--epochs=2\n--recipe=digits_lenet\n")
    values = parse(*arguments)
    assert (values.model, values.epochs) == ("lenet", 2)


def test_without_a_recipe_nothing_changes():
    arguments = ["program", "--epochs=2", "--other=recipe", "recipe", "--", "--recipe=digits_lenet"]
    assert recipes.expand(arguments) == arguments


@pytest.mark.parametrize("program", ["trainer.task", "trainer.launch"])
def test_a_name_that_no_recipe_has_is_one_line_with_those_that_there_are(program):
    passed_on = ["--workers=2", "--"] if program == "trainer.launch" else []
    finished = run_program(program, *passed_on, "--recipe=nope", PYTHONPROFILEIMPORTTIME="1")
    lines = [line for line in finished.stderr.splitlines() if not line.startswith("import time")]
    assert finished.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")  # before any worker starts
    for word in ("--recipe=nope", *recipes.names()):
        assert word in lines[0]
    assert " tensorflow\n" not in finished.stderr


def test_the_launcher_reads_a_recipe_as_its_workers_do():
    script = "from trainer import launch; print(launch._read_flags(sys.argv[1:]).batch_size)"
    command = [sys.executable, "-c", f"import sys; {script}", "--recipe=digits_lenet"]
    for beside, batch_size in (([], "32\n"), (["--batch_size=24"], "24\n")):
        finished = subprocess.run(
            [*command, *beside], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert finished.stdout == batch_size


def test_recipes_are_found_in_a_zip_file(tmp_path):
    archive = tmp_path / "headrace.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in [*(ROOT / "headrace").rglob("*.py"), *(ROOT / "recipes").glob("*")]:
            file.write(path, path.relative_to(ROOT))
    script = (
        "import json, sys; from headrace import recipes; "
        "print(json.dumps([recipes.__file__, recipes.names(), "
        "recipes.expand(['program', '--recipe=digits_lenet'])]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    module, names, argv = json.loads(finished.stdout)
    assert module.startswith(str(archive))
    assert names == recipes.names()
    assert argv[1:-1] == [line for line in LENET.splitlines() if line.startswith("--")]
