"""Damage to the files of a checkpoint, each of its own kind."""

import pathlib

FILES = ("manifest.json", "variables.index", "variables.data-00000-of-00001")


def cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


DAMAGES = (cut, flip, empty, pathlib.Path.unlink)
