"""Prints the reference of all flags, `docs/flags.md`, from the flags themselves.

    python -m headrace.reference > docs/flags.md

Each program is asked for its `--help`, so the page says what they say.
"""

import os
import re
import subprocess
import sys

_PROGRAMS = (
    "beam_pipelines.prepare",
    "beam_pipelines.to_hdf5",
    "trainer.task",
    "trainer.launch",
    "trainer.evaluate",
    "trainer.predict",
    "trainer.export",
    "trainer.inspect",
)
_FLAG = re.compile(r"  --(\w+)(?:=(\S+))?\n((?:      .*\n?)+)")


def main() -> None:
    """Print the page."""
    print("# Flags\n")
    print("What each program's `--help` says; `make docs` writes this page.")
    for program in _PROGRAMS:
        shown = subprocess.run(
            [sys.executable, "-m", program, "--help"],
            env={**os.environ, "COLUMNS": "100"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        print(f"\n## python -m {program}\n\n| flag | |\n|---|---|")
        for name, value, text in _FLAG.findall(shown.partition("\nFlags:\n")[2]):
            words = " ".join(text.split()).replace("|", "\\|")
            values = f"={value}".replace("|", "\\|") if value else ""
            print(f"| `--{name}{values}` | {words} |")


if __name__ == "__main__":
    main()
