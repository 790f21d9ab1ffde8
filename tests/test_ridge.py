"""Ridge regression of many targets, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from neuro_metarl.neural.ridge import PENALTIES, nested_ridge


def reference(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One target at a time, in the open."""
    prediction, chosen = np.empty(len(y)), []

    def predict(train: np.ndarray, test: np.ndarray, penalty: float) -> np.ndarray:
        scaler = StandardScaler().fit(x[train])
        model = Ridge(alpha=penalty * train.sum()).fit(scaler.transform(x[train]), y[train])
        return np.asarray(model.predict(scaler.transform(x[test])))

    for k in range(near.shape[1]):
        error = np.zeros(len(PENALTIES))
        for j in range(near.shape[1]):
            train, test = ~near[:, k] & ~near[:, j], (fold == j) & ~near[:, k]
            if j != k:
                for i, penalty in enumerate(PENALTIES):
                    error[i] += ((predict(train, test, penalty) - y[test]) ** 2).sum()
        chosen.append(PENALTIES[error.argmin()])
        prediction[fold == k] = predict(~near[:, k], fold == k, chosen[-1])
    return prediction, np.array(chosen)


@pytest.mark.parametrize("n_units", [3, 60])
@pytest.mark.parametrize("gap", [0, 4])
def test_it_is_scikit_learns_with_nested_folds(n_units: int, gap: int) -> None:
    rng = np.random.default_rng(n_units + gap)
    fold = np.repeat(np.arange(4), 25)
    place = np.arange(100)
    near = np.stack([(place >= 25 * k - gap) & (place < 25 * k + 25 + gap) for k in range(4)], 1)
    x = rng.normal(3, rng.uniform(0.1, 5, n_units), (100, n_units))
    y = x[:, :2] @ [1.0, 0.5] + 0.1 * rng.normal(size=100)
    targets = np.stack([y, y + 20 * rng.normal(size=100)], axis=1)
    prediction, penalty = nested_ridge(x, targets[:, :, None], fold, near)
    for k in range(2):
        expected, chosen = reference(x, targets[:, k], fold, near)
        np.testing.assert_array_equal(penalty[:, k], chosen)
        # predictions are stored in single precision; at penalty 1e-6 and more units than trials
        # the sums of products lose some digits
        np.testing.assert_allclose(prediction[:, k, 0], expected, rtol=1e-4, atol=1e-3)


def test_outputs_of_a_target_share_a_penalty_and_silent_units_do_nothing() -> None:
    rng = np.random.default_rng(0)
    x, fold = rng.normal(size=(60, 3)), np.repeat([0, 1, 2], 20)
    near = np.eye(3, dtype=bool)[fold]
    y = np.stack([x[:, 0], rng.normal(size=60)], axis=1)
    together = nested_ridge(x, y[:, None, :], fold, near)
    apart = nested_ridge(x, y[:, :, None], fold, near)
    assert together[1].shape == (3, 1)
    assert (apart[1][:, 0] < together[1][:, 0]).all()
    silent = nested_ridge(np.column_stack([x, np.full(60, 7.0)]), y[:, :, None], fold, near)
    np.testing.assert_allclose(silent[0], apart[0], atol=1e-6)
