"""Recipes: the flags of known experiments, which come with Headrace and are named by `--recipe`.

    recipes.define()                    # in a program: --recipe
    argv = recipes.expand(sys.argv)     # before its flags are parsed, see `program.run`

A recipe is a flagfile, `recipes/NAME.flags`. Its flags come before all others, and of a flag that
is given twice absl takes the last one: so what is given beside a recipe wins, wherever on the
command line or in whatever flagfile it stands.
"""

import dataclasses
import importlib.resources
from collections.abc import Sequence

from absl import flags

from headrace import config_flags
from headrace.config_flags import option

# The flag that `define` makes is one of the program that calls it.
flags.disclaim_key_flags()

# Of the package, not of a folder: wherever Headrace is installed, in a zip file as well.
_FOLDER = importlib.resources.files("recipes")
_SUFFIX = ".flags"


def names() -> list[str]:
    """Return the names of all recipes, sorted."""
    files = (file.name for file in _FOLDER.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


@dataclasses.dataclass(frozen=True)
class RecipeConfig:
    """The recipe that a command line begins with."""

    recipe: str | None = option(
        None,
        "Take the flags of a known experiment; those that are given beside it win.",
        choices=names(),
    )


def define() -> None:
    """Define `--recipe`, as flag of the calling program."""
    config_flags.define(RecipeConfig)


def read(name: str) -> str:
    """Return the text of a recipe."""
    return (_FOLDER / f"{name}{_SUFFIX}").read_text("utf-8")


def expand(argv: Sequence[str]) -> list[str]:
    """Put the flags of the recipe that a command line names, itself or in a flagfile, before all
    others.

    Args:
        argv: name of the program, and its arguments.

    Raises:
        flags.Error: there is no such recipe, the names of all are given; or a flagfile cannot be
            read.
    """
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    config_flags.define(RecipeConfig, flag_values=values)
    values(argv, known_only=True)
    if not values.recipe:
        return list(argv)
    with importlib.resources.as_file(_FOLDER / f"{values.recipe}{_SUFFIX}") as path:
        given = values.read_flags_from_files([f"--flagfile={path}"])
    return [argv[0], *given, *argv[1:]]
