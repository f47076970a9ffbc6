"""What the installable distribution holds and asks for: all that Headrace's own code needs."""

import ast
import functools
import importlib.metadata
import importlib.util
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator
from distutils.core import run_setup

import pytest

from tests.conftest import ROOT

PACKAGES = ("headrace", "beam_pipelines", "input", "models", "recipes", "trainer")


@pytest.fixture(scope="module")
def distribution():
    return run_setup(str(ROOT / "setup.py"), stop_after="init")


def sources(distribution) -> Iterator[pathlib.Path]:
    """The files of code that are installed."""
    for package in distribution.packages:
        yield from (ROOT / package.replace(".", "/")).glob("*.py")


def test_every_file_of_code_is_installed(distribution):
    expected = {path for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    assert expected <= set(sources(distribution))


def imported(paths: Iterable[pathlib.Path]) -> set[str]:
    """The modules outside Python and Headrace that files import, anywhere in them."""
    own = {*sys.stdlib_module_names, *PACKAGES, "tests", "benchmarks"}
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from google.cloud import storage` is of another distribution than its sisters.
                found |= {
                    f"{node.module}.{alias.name}" if node.module == "google.cloud" else node.module
                    for alias in node.names
                }
    return {name for name in found if name.partition(".")[0] not in own}


@functools.cache
def owners() -> dict[str, str]:
    """The distribution that each installed file of Google's common package comes from."""
    return {
        str(file.locate()): distribution.name
        for distribution in importlib.metadata.distributions()
        if distribution.name.startswith(("google", "proto", "grpc"))
        for file in distribution.files or ()
    }


def distributions_of(module: str) -> set[str]:
    """Names of the distributions that may have brought a module."""
    if module.startswith("google."):
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        return {normalised(owners()[spec.origin])}
    found = importlib.metadata.packages_distributions()[module.partition(".")[0]]
    return {normalised(name) for name in found}


def normalised(requirement: str) -> str:
    """`Google_Auth[x]>=2` → `google-auth`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def undeclared(modules: set[str], requirements: Iterable[str]) -> set[str]:
    """Modules that no requirement brings by its own name."""
    declared = {normalised(requirement) for requirement in requirements}
    return {module for module in modules if declared.isdisjoint(distributions_of(module))}


def test_everything_that_is_imported_is_required(distribution):
    modules = imported(sources(distribution))
    assert {"orjson", "psutil", "keras", "grpc", "google.protobuf"} <= modules
    assert undeclared(modules, distribution.install_requires) == set()


def test_everything_that_tests_import_is_required_for_them(distribution):
    modules = imported((ROOT / "tests").rglob("*.py"))
    required = [*distribution.install_requires, *distribution.extras_require["test"]]
    assert undeclared(modules, required) == set()


def test_what_is_not_required_is_noticed():
    assert undeclared({"google.cloud.storage", "orjson"}, ["google-auth", "numpy"]) == {
        "google.cloud.storage",
        "orjson",
    }


def test_the_lock_pins_every_requirement(distribution):
    pinned = {
        normalised(line)
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line and not line.startswith(("#", " "))
    }
    required = [*distribution.install_requires, *distribution.extras_require["test"]]
    assert {normalised(requirement) for requirement in required} <= pinned
