"""The peers' own virtual environments, each built once from a file of requirements.

failed = environment.ensure(folder, "loaders")
[environment.python(folder, "loaders"), "script.py"]
"""

import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

# They disagree about the version of protobuf.
NAMES = ("tensorflow", "loaders")
_MARKER = "installed.json"
_VERSIONS = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def requirements(name: str) -> pathlib.Path:
    """Return the file that says what an environment has."""
    return pathlib.Path(__file__).resolve().parent.parent / f"requirements-{name}.txt"


def ensure(folder: pathlib.Path, name: str) -> dict[str, str]:
    """Build an environment, unless it is there with the same requirements.

    Args:
        folder: where environments are, or are to be.
        name: one of `NAMES`.

    Returns:
        What did not install: the name of the requirement and why.
    """
    folder = folder / name
    marker = folder / _MARKER
    wanted = requirements(name).read_text()
    if marker.exists() and (built := json.loads(marker.read_text()))["requirements"] == wanted:
        return built["failed"]
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing the peers' environment {name}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    failed = _install_all(folder, [line for line in wanted.splitlines() if line[:1].isalpha()])
    marker.write_text(json.dumps({"requirements": wanted, "failed": failed}, indent=1))
    return failed


def python(folder: pathlib.Path, name: str) -> str:
    """Return the interpreter of an environment."""
    return _python(folder / name)


def versions(interpreter: str, packages: list[str]) -> dict[str, str]:
    """Return the versions of an interpreter and of those of `packages` that it has."""
    command = [interpreter, "-c", _VERSIONS, *packages]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _python(folder: pathlib.Path) -> str:
    return str(folder / "bin" / "python")


def _install_all(folder: pathlib.Path, lines: list[str]) -> dict[str, str]:
    """Return all at once, or else one after the other, so that one which fails spoils no other."""
    if not _install(folder, lines):
        return {}
    installed: list[str] = []
    failed = {}
    for line in lines:
        if error := _install(folder, [*installed, line]):
            failed[line.partition("==")[0]] = error
        else:
            installed.append(line)
    return failed


def _install(folder: pathlib.Path, lines: list[str]) -> str:
    """Return why it failed; empty when it did not."""
    if importlib.util.find_spec("uv"):
        installer = [sys.executable, "-m", "uv", "pip", "install", "--python", _python(folder)]
    else:
        installer = [_python(folder), "-m", "pip", "install"]
    done = subprocess.run([*installer, "--quiet", *lines], capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    reasons = [line.strip() for line in done.stderr.splitlines() if "Error: " in line]
    return (reasons or done.stderr.strip().splitlines() or ["no reason given"])[-1]
