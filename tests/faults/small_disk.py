"""A disk with little room, for a run to fill.

    ended = run_on("out/run", 100_000, [sys.executable, "-m", "trainer.task", …])

It is a tmpfs of its own, mounted where the run directory is, in a mount namespace that nobody else
sees: an ordinary user may do that where user namespaces are allowed. Where they are not, as in most
containers, no file may grow large: the same calls fail, with "File too large".
"""

import functools
import pathlib
import resource
import shutil
import subprocess
from collections.abc import Sequence

from tests.conftest import ROOT

_LIMIT = 300
_PAGE = 4096
_TEMPORARY = 20_000  # bytes that TensorFlow's temporary files may have

# "$1" is the run directory, "$2" its files on the large disk, "$3" the size; then the command.
_ON_TMPFS = """
mount -t tmpfs -o size="$3" small "$1" && cp -a "$2"/. "$1" || exit 99
run=$1 kept=$2; shift 3; "$@"; code=$?
rm -rf "$kept" && mkdir "$kept" && cp -a "$run"/. "$kept" && exit $code
"""


def run_on(workdir: pathlib.Path, room: int, command: Sequence[str]) -> subprocess.CompletedProcess:
    """Runs a command where a folder has room for so many bytes more, until it has ended."""
    workdir.mkdir(exist_ok=True)
    namespace = _namespace()
    if not namespace:
        limit = _TEMPORARY + room // 4
        return _run(command, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    kept = workdir.with_name(f"{workdir.name}.kept")
    shutil.copytree(workdir, kept)
    sizes = [path.stat().st_size for path in kept.rglob("*") if path.is_file()]
    size = str(sum(-(-size // _PAGE) * _PAGE for size in sizes) + room)
    ended = _run([*namespace, "sh", "-c", _ON_TMPFS, "sh", str(workdir), str(kept), size, *command])
    shutil.rmtree(workdir)
    kept.rename(workdir)
    return ended


@functools.cache
def _namespace() -> list[str]:
    """What to put before a command that mounts something for itself; empty if nobody may."""
    for found in (["unshare", "--mount", "--map-root-user"], ["unshare", "--mount"]):
        mount = [*found, "mount", "-t", "tmpfs", "small", "/tmp"]
        if shutil.which("unshare") and not subprocess.run(mount, capture_output=True).returncode:
            return found
    return []


def _run(command: Sequence[str], first=None) -> subprocess.CompletedProcess:
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        preexec_fn=first,
        check=False,
    )
