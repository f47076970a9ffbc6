"""What the flags about the data ask for."""

import pytest

from headrace.errors import UsageError
from trainer.config import data_flags


def test_image_sizes_are_rows_and_columns():
    assert data_flags.parse_size("image_size", []) == []
    assert data_flags.parse_size("image_size", ["32"]) == [32, 32]
    assert data_flags.parse_size("image_size", ["32", "48"]) == [32, 48]
    with pytest.raises(UsageError):
        data_flags.parse_size("image_size", ["1", "2", "3"])
