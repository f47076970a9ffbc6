"""Prints the page of all recipes, `docs/recipes.md`, from the recipes themselves.

    python -m recipes.reference > docs/recipes.md

What a recipe is and what it reaches stands in the comment at its head.
"""

from headrace import recipes

_INTRODUCTION = """\
`--recipe=NAME` of `python -m trainer.task` takes the flags of one of these; those that are given
beside it win, wherever they stand, in a `--flagfile` as well. `flags.txt` of the run holds them
all, so that it repeats the run whatever becomes of the recipe. `make docs` writes this page from
`recipes/`; a file more there, `NAME.flags`, is a recipe more.
"""


def main() -> None:
    """Print the page."""
    print("# Recipes\n")
    print(_INTRODUCTION)
    print("| `--recipe=` | |\n|---|---|")
    for name in recipes.names():
        print(f"| [`{name}`](#{name}) | {_head(name)} |")
    for name in recipes.names():
        print(f"\n## {name}\n\n```text\n{' '.join(_flags(name))}\n```")


def _head(name: str) -> str:
    """Return the comment at the head of a recipe."""
    lines = recipes.read(name).splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def _flags(name: str) -> list[str]:
    return [line for line in recipes.read(name).splitlines() if line.startswith("--")]


if __name__ == "__main__":
    main()
