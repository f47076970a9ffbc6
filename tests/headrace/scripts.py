"""Programs of a few lines, run as their users run them."""

import os
import pathlib
import subprocess
import sys

from tests.conftest import ROOT

# A program whose standard error goes through the filter.
FILTERED = """
import os, subprocess, sys, threading
from headrace import program, stdio
def main(*files: str) -> None:
    {body}
program.run(main, decodes_images=True)
"""


def run_script(folder: pathlib.Path, text: str, *arguments, environment=None, **changed):
    """Runs a program of this text; returns the finished process, its output as text."""
    script = folder / "program.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        text=True,
        timeout=100,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **changed},
    )
