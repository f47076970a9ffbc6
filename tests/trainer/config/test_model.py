"""The options of a model, as text."""

import pytest

from trainer.config.model import ModelOptionsParser

PARSER = ModelOptionsParser()


def test_model_options_are_python_values_or_words():
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
