"""Plots take results of joined recordings: one mark, line or row for each recording."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

import neuro_metarl as nm
from neuro_metarl import InputError
from tests.joined import joined

mpl.use("Agg")
BY = ["choice", "reward"]
COHORT = joined(0, n_trials=90, gain=2.0)


def test_every_recording_has_its_mark() -> None:
    table = nm.decode(COHORT, "choice", n_permutations=19, n_bootstrap=20)
    ax = nm.plot.decoding(table)
    heights = np.concatenate([line.get_ydata() for line in ax.lines])
    np.testing.assert_allclose(heights, table.score.sel(statistic="value").values.T.ravel())


def test_matrices_and_paths_of_recordings() -> None:
    matrix = nm.neural.compare_populations(COHORT, by=BY, measure="angular")
    ax = nm.plot.similarity(matrix)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["day0", "day1", "day2"]
    paths = nm.neural.pca_trajectories(COHORT, BY, n_components=2)
    assert len(nm.plot.trajectories(paths, subject="day2").lines) == 12
    with pytest.raises(InputError, match="no recording 'm'; "):
        nm.plot.trajectories(paths, subject="m")
    with pytest.raises(InputError, match="or recordings"):
        nm.plot.similarity(matrix.isel(recording=0))


def test_areas_are_plotted_one_by_one() -> None:
    areas = nm.neural.summarize_areas(nm.encode(COHORT, ["choice", "reward"]))
    with pytest.raises(InputError, match="choose one, for example"):
        nm.plot.fraction_significant(areas)
    ax = nm.plot.fraction_significant(areas.sel(area="M1"))
    assert ax.get_ylabel() == "significant units (%), q < 0.05"
