"""The page of all models says what the code says."""

from models import registry
from tests.conftest import ROOT, run_program


def test_the_page_is_what_the_models_say_now():
    finished = run_program("models.reference")
    assert finished.returncode == 0, finished.stderr
    assert (ROOT / "docs/models.md").read_text() == finished.stdout
    assert finished.stdout.count("\n## ") == len(registry.names()) + 1  # and those of Keras
    assert "| [resnet](#resnet) | 1×1 |" in finished.stdout
    assert "| 25,610,152; " in finished.stdout
