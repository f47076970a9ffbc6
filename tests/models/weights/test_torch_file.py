"""Files of `torch.save`: their tensors are read as they are, and nothing they ask for is run."""

import collections
import os
import pickle

import numpy as np
import pytest

from headrace.errors import UserError
from models.weights import torch_file
from tests.models import torch_files

RNG = np.random.default_rng(5)
ARRAYS: dict[str, np.ndarray] = {
    "conv.weight": RNG.normal(size=(4, 3, 2, 2)).astype(np.float32),
    "bn.count": np.array(7, np.int64),
    "half": RNG.normal(size=(3, 1)).astype(np.float16),
    "transposed": RNG.normal(size=(5, 2, 3)).astype(np.float32).transpose(2, 0, 1),
    "empty": np.zeros((0, 5), np.float32),
}
WHOLE = torch_files.legacy(ARRAYS)


@pytest.fixture
def read(tmp_path):
    """Return what reads a file of these bytes."""

    def read(contents: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pth"
        path.write_bytes(contents)
        return torch_file.read(str(path))

    return read


def refused(read, contents: bytes) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(UserError) as error:
        read(contents)
    assert "weights.pth" in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


class Calling:
    """What a pickle calls when it is loaded."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_tensors_are_read_in_their_shape_and_kind(read):
    tensors = read(WHOLE)
    assert list(tensors) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (tensors[name].shape, tensors[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(tensors[name], array)


def test_tensors_that_share_a_storage_are_parts_of_it(read):
    row = np.arange(10, dtype=np.float32)
    parts = {
        "first": torch_files.tensor("row", row[:4].reshape(2, 2), size=10),
        "last": torch_files.tensor("row", row[:3], size=10, offset=7),
    }
    tensors = read(torch_files.legacy({"row": row}, state=torch_files.state(parts)))
    np.testing.assert_array_equal(tensors["first"], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(tensors["last"], [7, 8, 9])


@pytest.mark.parametrize("part", ["magic", "format", "system", "state", "keys"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", ["system", "mkdir", "eval", "getattr", "namedtuple"])
def test_what_a_pickle_wants_called_is_not(read, tmp_path, part, protocol, name):
    there = tmp_path / "there"
    calling = {
        "system": Calling(os.system, f"mkdir {there}"),
        "mkdir": Calling(os.mkdir, str(there)),
        "eval": Calling(eval, f"__import__('os').mkdir({str(there)!r})"),
        "getattr": Calling(getattr, there, "mkdir"),
        # Of the one module of which a name is known: it is that name alone.
        "namedtuple": Calling(collections.namedtuple, "T", "a"),
    }[name]
    malicious = torch_files.legacy(ARRAYS, **{part: pickle.dumps(calling, protocol)})
    words = refused(read, malicious)
    assert "asks for" in words
    assert f".{name}, which" in words
    assert "do not use this file" in words
    assert not there.exists()


@pytest.mark.parametrize("name", ["load", "nn.Linear", "_utils", "FloatStorage.__init__"])
def test_other_names_of_torch_are_refused(read, name):
    asking = torch_files.state({"a": b"ctorch\n%s\n" % name.encode()})
    assert f"torch.{name}" in refused(read, torch_files.legacy({}, state=asking))


def test_a_pickle_that_changes_what_it_is_handed_changes_nothing_here(read):
    # BUILD, for which `(None, {name: value})` are attributes to be set, of what builds tensors.
    attribute = torch_files.literal("__new__") + b"ccollections\nOrderedDict\n"
    change = b"ctorch._utils\n_rebuild_tensor_v2\n(N}" + attribute + b"stb"
    changing = torch_files.state({"a": change})
    refused(read, torch_files.legacy({}, state=changing))
    assert list(read(WHOLE)) == list(ARRAYS)


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_a_file_that_is_not_complete_is_refused(read, length):
    assert "get it anew" in refused(read, WHOLE[:length])


def test_a_file_that_goes_on_is_refused(read):
    assert "goes on behind its end" in refused(read, WHOLE + b"\0")


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "no file of torch.save"),
        (b"PK\x03\x04" + bytes(64), "_use_new_zipfile_serialization=False"),
        (pickle.dumps({"a": 1}), "it begins otherwise"),
        (torch_files.legacy({}, format=pickle.dumps(1002, 2)), "it begins otherwise"),
        (
            torch_files.legacy({}, system=pickle.dumps({"little_endian": False}, 2)),
            "big-endian machine",
        ),
        (torch_files.legacy({}, system=pickle.dumps([], 2)), "a damaged one"),
        (torch_files.legacy({}, state=pickle.dumps({"lr": 0.1}, 2)), "holds float under 'lr'"),
        (torch_files.legacy({}, state=pickle.dumps({3: "a"}, 2)), "holds str under 3"),
        (torch_files.legacy(ARRAYS, keys=pickle.dumps(["other"], 2)), "'other'"),
    ],
)
def test_another_file_is_refused(read, contents, words):
    assert words in refused(read, contents)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"strides": (3, 2)}, "a is no part of its storage"),
        ({"strides": (3, -1), "offset": 2}, "a is no part"),
        ({"strides": (3,)}, "a damaged one"),
        ({"offset": 1}, "a is no part"),
        ({"offset": -1}, "a is no part"),
        ({"shape": (3, 3)}, "a is no part"),
        ({"shape": (-1, -6), "strides": (1, 1)}, "a is no part"),
        ({"shape": (10**9, 10**9), "strides": (0, 0)}, "a is no part"),
        ({"size": 7}, "ends too early"),
        ({"kind": "module"}, "unknown reference ('module'"),
        ({"view": ("b", 0, 6)}, "unknown reference ('storage'"),
        ({"storage": "BFloat16Storage"}, "asks for torch.BFloat16Storage"),
    ],
)
def test_a_tensor_that_is_no_part_of_its_storage_is_refused(read, parts, words):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = {"shape": (2, 3), "strides": (3, 1), **parts}
    wrong = torch_files.state({"a": torch_files.tensor("a", array, **values)})
    assert words in refused(read, torch_files.legacy({"a": array}, state=wrong))


def test_a_kind_of_numbers_that_torch_has_not_is_refused(read):
    array = np.arange(6, dtype=np.float32)
    kind = torch_files.literal("<u4")
    contents = torch_files.legacy({"a": array}).replace(b"ctorch\nFloatStorage\n", kind)
    assert "unknown reference ('storage', '<u4'" in refused(read, contents)


def test_a_length_beyond_the_file_reserves_no_memory(read):
    size = 2**60
    wrong = torch_files.state({"a": torch_files.tensor("a", ARRAYS["half"], size=size)})
    numbers = size.to_bytes(8, "little") + bytes(16)
    contents = torch_files.legacy({"a": ARRAYS["half"]}, state=wrong, numbers=numbers)
    assert "it ends too early" in refused(read, contents)


def test_a_path_without_a_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.pth: No such file or directory; name a file"):
        torch_file.read(str(tmp_path / "none.pth"))
    with pytest.raises(UserError, match="Is a directory"):
        torch_file.read(str(tmp_path))
