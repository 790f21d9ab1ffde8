"""Plots of learning sets show what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_metarl import learning_curve, make_cohort, plot
from neuro_metarl.behavior import mean_learning_curve, published_curve
from neuro_metarl.datasets import load_reference
from neuro_metarl.errors import InputError


@pytest.fixture
def curve():  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    correct = (rng.random((120, 6)) < [0.5, 0.7, 0.8, 0.9, 0.9, 0.9]).astype(int)
    cohort = make_cohort(
        {"choice": correct, "reward": correct, "correct": correct},
        subject=[f"s{k}" for k in range(4) for _ in range(30)], task="harlow", source="animal",
    )  # fmt: skip
    return learning_curve(cohort, blocks=3)


def test_every_block_has_its_mean_and_every_subject_its_line(curve) -> None:  # type: ignore[no-untyped-def]
    ax = plot.learning_curve(curve)
    lines = [line for line in ax.lines if line.get_label() in curve.block.values]
    values = curve.p_correct.sel(statistic="value")
    for line in lines:
        expected = values.sel(block=line.get_label()).mean("subject")
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert line.get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    assert len(lines) == 3
    assert len(ax.lines) == 3 * (4 + 1) + 1
    assert len({str(line.get_color()) for line in lines}) == 3


def test_means_have_bands_of_their_intervals(curve) -> None:  # type: ignore[no-untyped-def]
    mean = mean_learning_curve(curve)
    ax = plot.learning_curve(mean, chance=None)
    assert len(ax.collections) == 3
    reach = ax.collections[0].get_paths()[0].vertices[:, 1]
    first = mean.p_correct.isel(block=0)
    assert reach.min() == pytest.approx(float(first.sel(statistic="low").min()))
    assert reach.max() == pytest.approx(float(first.sel(statistic="high").max()))


def test_first_trials_over_blocks(curve) -> None:  # type: ignore[no-untyped-def]
    ax = plot.first_trials({"mice": curve}, trials=(1, 2))
    labelled = {line.get_label(): line for line in ax.lines}
    expected = curve.p_correct.sel(statistic="value", trial=2).mean("subject")
    np.testing.assert_allclose(labelled["mice, trial 2"].get_ydata(), expected)
    assert [t.get_text() for t in ax.get_xticklabels()] == curve.block.values.tolist()
    dots = [line for line in ax.lines if line.get_alpha() == 0.35]
    assert sum(len(line.get_xdata()) for line in dots) == 2 * 4 * 3
    published = published_curve(load_reference("harlow1949"))
    assert len(plot.first_trials(published).lines) == 2 + 1
    with pytest.raises(InputError, match="trial 9 is not in the curve; it has 1 to 6"):
        plot.first_trials(curve, trials=(9,))
