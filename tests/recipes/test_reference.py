"""The page of all recipes says what the recipes say."""

from headrace import recipes
from tests.conftest import ROOT, run_program


def test_the_page_is_what_the_recipes_say_now():
    finished = run_program("recipes.reference")
    assert finished.returncode == 0, finished.stderr
    assert (ROOT / "docs/recipes.md").read_text() == finished.stdout
    assert finished.stdout.count("\n## ") == len(recipes.names())
