"""Sources that tests of the job share."""

import pytest

from tests.conftest import write_images


@pytest.fixture
def source(tmp_path):
    write_images(tmp_path / "source", {"dark": 12, "light": 18})
    return tmp_path / "source"
