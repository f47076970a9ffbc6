"""Signs on curves that show them, and none on curves that do not."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.diagnosis import examples
from trainer.diagnosis.curves import Setting
from trainer.diagnosis.diagnosis import Diagnosis, Finding
from trainer.diagnosis.examples import EXAMPLES, Example, make_rows
from trainer.diagnosis.signs import SIGNS

GOOD = {sign.name for sign in SIGNS if sign.good}


def findings(example: Example) -> dict[str, Finding]:
    diagnosis = Diagnosis(example.setting)
    diagnosis.extend(example.rows)
    return diagnosis.findings


def bad(example: Example) -> set[str]:
    return set(findings(example)) - GOOD


def test_there_are_nine_and_that_of_transfer_and_an_example_of_each():
    assert [sign.good for sign in SIGNS] == [True, False, False, True, *[False] * 2, True,
                                             *[False] * 3]  # fmt: skip
    assert list(EXAMPLES) == [sign.name for sign in SIGNS]


@pytest.mark.parametrize(
    ("name", "epoch", "words", "others"),
    [
        ("fast start", 3, ["2.045 in epoch 1 to 1.617"], set()),
        ("validation follows training", 3, ["0.343 and 0.368"], set()),
        ("validation loss falls", 3, ["2.119", "1.717"], set()),
        ("training plateau", 5, ["epoch 1 (2.303)", "`learning_rate`=0.01 (now 0.1)"],
         {"validation plateau"}),
        ("not a number", 4, ["loss is nan at epoch 4", "`learning_rate`=0.1"], set()),
        ("validation stays behind", 8, ["overfitting", "`augment`", "0.890"], {"opposite ways"}),
        ("opposite ways", 9, ["rises from epoch 5 (0.958)", "falls to 0.179"],
         {"validation stays behind"}),
        ("validation plateau", 9, ["epoch 5 (1.117)", "still falls"], set()),
        ("validation loss swings", 5, ["between 1.104 and 2.452", "`batch_size`"], set()),
        ("negative transfer", 5, ["rank-1 is 0.103, and guessing gives 0.100", "`pretrained`"],
         set()),
    ],
)  # fmt: skip
def test_each_is_seen_where_it_shows_and_says_its_numbers(name, epoch, words, others):
    example = EXAMPLES[name]()
    finding = findings(example)[name]
    assert (finding.epoch, finding.step) == (epoch, epoch * examples.STEPS_PER_EPOCH)
    for each in words:
        assert each in finding.sentence
    assert "\n" not in finding.sentence
    assert bad(example) - {name} == others


def test_training_that_worsens_while_validation_betters_is_opposite_ways_too():
    found = findings(examples.falling_apart())
    assert "rank-1 in training falls from 0.685" in found["opposite ways"].sentence
    assert "training diverges" in found["training plateau"].sentence


def test_training_that_worsens_while_validation_stands_still_is_a_sign():
    epoch = np.arange(1, 13)
    flat = 1.1 + 0 * epoch, 0.55 + 0 * epoch
    found = findings(Example(make_rows((0.9 + 0.04 * epoch, 0.7 - 0.015 * epoch), flat), Setting()))
    assert "while on validation it stands still" in found["validation stays behind"].sentence


@settings(max_examples=30)
@given(
    st.integers(1, 60), st.floats(0, 0.03), st.integers(0, 2**32 - 1), st.floats(0.3, 0.6),
    st.booleans(),
)  # fmt: skip
def test_no_noise_makes_a_bad_sign_of_a_run_that_learns(epochs, noise, seed, pace, cosine):
    example = examples.healthy(epochs, noise, seed, pace, cosine)
    # Weights of others are to learn faster than from nothing: as fast as here in twenty epochs.
    transfer = "init_from" if epochs <= 20 else ""
    setting = dataclasses.replace(example.setting, transfer=transfer)
    assert bad(Example(example.rows, setting)) == set()


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_noise_hides_no_plateau_of_twenty_epochs(noise):
    rng = np.random.default_rng(0)
    loss = 2.3 * (1 + noise * rng.standard_normal((2, 20)))
    rank1 = 0.1 + noise / 3 * rng.standard_normal((2, 20))
    found = findings(Example(make_rows((loss[0], rank1[0]), (loss[1], rank1[1])), Setting()))
    assert "training plateau" in found
    assert "validation plateau" in found


# Loss and rank-1 of training, then of validation, in epochs 1, 2, 3 and 10 (1, 2, 10 where the
# book leaves one out): five learning rates of one network (Ferlitsch, The Idiomatic Programmer,
# 2019, on training).
RATES = {
    0.1: ([1, 2, 3, 10], [15.2716, 15.3049, 15.3052, 15.3055], [0.0503, 0.0505, 0.0504, 0.0504],
          [15.3767] * 4, [0.0460] * 4),
    0.01: ([1, 2, 3, 10], [3.0251, 2.9964, 2.9961, 2.9959], [0.05, 0.0486, 0.049, 0.0466],
           [2.9968, 2.9965, 2.9966, 2.9965], [0.046, 0.046, 0.0422, 0.0422]),
    0.001: ([1, 2, 3, 10], [2.5162, 2.1625, 2.0423, 1.7465], [0.2211, 0.3258, 0.3662, 0.455],
            [2.4523, 2.2507, 2.163, 1.947], [0.261, 0.32, 0.3482, 0.418]),
    0.002: ([1, 2, 10], [2.5566, 2.2015, 1.7438], [0.2064, 0.3169, 0.455],
            [2.5235, 2.2833, 1.959], [0.2322, 0.2956, 0.407]),
    0.0005: ([1, 2, 10], [2.5507, 2.2437, 1.8893], [0.2115, 0.3023, 0.4136],
             [2.4716, 2.2966, 2.0811], [0.275, 0.3228, 0.3776]),
}  # fmt: skip


@pytest.mark.parametrize("rate", RATES)
def test_the_five_sessions_of_the_book_are_told_as_it_tells_them(rate):
    at, *values = RATES[rate]
    curves = [np.interp(np.arange(1, 11), at, value) for value in values]
    found = findings(Example(make_rows(curves[:2], curves[2:], rate), Setting(20, 10, rate)))
    if rate >= 0.01:
        assert {"training plateau", "validation plateau"} <= set(found)
        assert not GOOD & set(found)
        assert f"`learning_rate`={rate / 10:g} (now {rate:g})" in found["training plateau"].sentence
    else:
        assert set(found) == {
            "fast start", "validation follows training", "validation loss falls"
        }  # fmt: skip


def test_too_little_to_see_says_nothing_bad():
    example = examples.not_learning()
    for epochs in range(5):
        rows = [row for row in example.rows if row["epoch"] <= epochs]
        assert not findings(Example(rows, example.setting))
    assert not findings(Example([], example.setting))


def test_without_validation_training_alone_is_judged():
    example = examples.not_learning()
    rows = [row for row in example.rows if row["split"] == "train"]
    assert bad(Example(rows, example.setting)) == {"training plateau"}


def test_a_level_curve_is_nothing_to_warn_of_where_the_rate_is_low_or_all_is_learnt():
    example = examples.not_learning()
    warm = [
        {**row, "learning_rate": 0.001} if row["split"] == "train" else row for row in example.rows
    ]
    assert not bad(Example(warm, example.setting))
    learnt = [{**row, "rank1": 0.97} for row in example.rows]
    assert not bad(Example(learnt, example.setting))
    frozen = [
        {**row, "learning_rate": 0.0} if row["split"] == "train" else row for row in example.rows
    ]
    none = findings(Example(frozen, dataclasses.replace(example.setting, learning_rate=0.0)))
    assert "now 0: no step changes anything" in none["training plateau"].sentence


def test_short_epochs_make_no_plateau_of_a_small_part_of_a_run():
    example = examples.not_learning()
    long = dataclasses.replace(example.setting, epochs=200)
    assert not bad(Example(example.rows, long))


def test_a_log_that_is_cut_doubled_or_out_of_order_says_the_same():
    example = examples.overfitting()
    rows = []
    for row in example.rows:  # as of log lines every fifty steps, of which one is written twice
        if row["split"] == "train":
            half = {**row, "step": row["step"] - 50, "epoch": row["epoch"] - 0.5}
            rows += [{**half, "loss": -1.0}, half]
        rows.append(row)
    expected = findings(example)
    random.Random(0).shuffle(rows)
    kept = {(row["step"], row["split"]): row for row in rows if row["loss"] >= 0}
    assert findings(Example(list(kept.values()), example.setting)) == expected
    ordered = sorted(rows, key=lambda row: row["loss"] >= 0)
    assert findings(Example(ordered, example.setting)) == expected


def test_the_train_loss_of_an_epoch_is_the_mean_of_its_lines_by_steps():
    example = examples.healthy()
    rows = []
    for row in example.rows:
        if row["split"] == "train":
            first = {**row, "step": row["step"] - 20, "epoch": row["epoch"] - 0.2}
            rows.append({**first, "loss": row["loss"] + 0.1})
            row = {**row, "loss": row["loss"] - 0.4}
        rows.append(row)
    one, other = findings(example), findings(Example(rows, example.setting))
    assert one == other


def test_looking_at_each_evaluation_finds_what_looking_once_finds_and_says_it_once():
    example = examples.overfitting()
    diagnosis, said = Diagnosis(example.setting), []
    for end in range(1, len(example.rows) + 1):
        said += diagnosis.extend(example.rows[:end])
    assert [finding.name for finding in said] == list(findings(example))
    assert diagnosis.findings == findings(example)
    assert diagnosis.extend(example.rows) == []


@pytest.mark.parametrize(
    ("rank1", "words"),
    [
        ([0.3, 0.29, 0.28, 0.27, 0.22], "has fallen from 0.300 to 0.220"),
        ([0.3, 0.31, 0.3, 0.31, 0.31], "has not risen from 0.300"),
        ([0.3, 0.35, 0.4, 0.45, 0.5], ""),
        ([0.8, 0.8, 0.81, 0.8, 0.8], ""),
    ],
)
def test_transfer_is_negative_where_rank1_falls_or_stays_poor(rank1, words):
    loss = [2.0, 1.8, 1.6, 1.4, 1.2]
    setting = Setting(transfer="init_from")
    found = findings(Example(make_rows((loss, rank1), (loss, rank1)), setting))
    if words:
        assert words in found["negative transfer"].sentence
    else:
        assert "negative transfer" not in found
    scratch = findings(Example(make_rows((loss, rank1), (loss, rank1)), Setting()))
    assert "negative transfer" not in scratch


def test_transfer_is_not_judged_once_its_epochs_are_over():
    level = [1.0] * 20, [*np.linspace(0.4, 0.7, 10), *np.linspace(0.7, 0.3, 10)]
    found = findings(Example(make_rows(level, level), Setting(transfer="pretrained")))
    assert "negative transfer" not in found
