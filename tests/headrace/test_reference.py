"""The page of all flags says what the programs say."""

from tests.conftest import ROOT, run_program


def test_the_page_is_what_the_flags_say_now():
    finished = run_program("headrace.reference")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert (ROOT / "docs/flags.md").read_text() == finished.stdout
    for flag in ("--learning_rate=NUMBER", "--near_duplicates=NUMBER", "--workers=NUMBER"):
        assert f"| `{flag}` | " in finished.stdout
