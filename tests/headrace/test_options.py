"""Options as text, and which of them are taken."""

import pytest

from headrace.errors import UsageError
from headrace.options import OptionsParser, check_numbers, check_options

PARSER = OptionsParser()


def test_options_are_python_values_or_words():
    values = {"stages": (9, 9), "reg": 1e-4, "activation": "relu"}
    assert PARSER.parse("stages=(9, 9);reg=1e-4; activation=relu ;") == values
    assert PARSER.parse(PARSER.format(values)) == values
    assert PARSER.parse("") == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("reg", "expected name=value, received 'reg'"),
        ("reg=nan", "reg=nan: expected a finite number"),
        ("reg=1e999", "reg=1e999: expected a finite number"),
        ("a=1;rates=(0.5, (-inf, 1))", ""),
        ("rates=(0.5, (1e999, 1))", "expected a finite number"),
    ],
)
def test_what_is_no_value_is_refused(text, word):
    if word:
        with pytest.raises(ValueError, match=r"expected") as caught:
            PARSER.parse(text)
        assert word in str(caught.value)
    else:  # no Python literal is a word, which the model refuses if it wants a number
        assert PARSER.parse(text)["rates"] == "(0.5, (-inf, 1))"


DEFAULTS: dict[str, object] = {"rate": 0.5, "width": 2, "names": ("a",), "at": (), "fast": False}


def test_a_value_stands_in_for_a_default_of_its_kind():
    values = {"rate": 1, "width": 10**400, "names": ["b", "c"], "at": (1, 2.5), "fast": True}
    check_options("`model`=x", values, DEFAULTS)
    check_numbers("`model`=x", values)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"depth": 1}, "`model`=x has no option 'depth'; it has rate, width, names, at, fast"),
        ({"rate": True}, r"rate is of the kind of 0\.5, received True"),
        ({"width": 2.0}, r"width is of the kind of 2, received 2\.0"),
        ({"width": False}, "width is of the kind of 2, received False"),
        ({"names": "b"}, "names is of the kind of"),
        ({"names": ("b", 1)}, "names is of the kind of"),
        ({"at": ("b",)}, r"at is of the kind of \(\)"),
        ({"fast": 1}, "fast is of the kind of False, received 1"),
    ],
)
def test_what_is_unknown_or_of_another_kind_is_refused(given, words):
    with pytest.raises(UsageError, match=words):
        check_options("`model`=x", given, DEFAULTS)


@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("inf"), (1, -1), ((0, -2),)])
def test_numbers_below_nothing_or_without_end_are_refused(value):
    with pytest.raises(UsageError, match=r"x: rate=.*: expected 0 or more"):
        check_numbers("x", {"rate": value})
