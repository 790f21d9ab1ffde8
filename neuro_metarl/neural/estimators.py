"""Cross-validated predictions of scikit-learn estimators, searches nested in the training folds."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["predict_folds"]

PENALTIES = 10.0 ** np.arange(-4, 3)


def predict_folds(
    estimator: Any, x: np.ndarray, y: np.ndarray, fold: np.ndarray, near: np.ndarray
) -> np.ndarray:
    """Predict each fold by an estimator fitted to the others.

    Parameters
    ----------
    estimator
        ``"logistic"`` or a scikit-learn estimator.
    x
        Dims (row, unit).
    y
        Dims (row, target).
    fold
        Dims (row): the fold in which the row is predicted.
    near
        bool, dims (row, fold): in the fold, or too near it to be trained on.

    Returns
    -------
    numpy.ndarray
        Dims (row, target). Parameters ``cv`` that are None become the folds, inside the training
        rows.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> fold = np.array([0, 0, 1, 1, 2, 2])
    >>> y = np.array([[1], [1], [0], [1], [0], [1]])
    >>> predict_folds(DummyClassifier(), y, y, fold, np.eye(3, dtype=bool)[fold])[:, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    from sklearn.base import clone

    model = _logistic() if isinstance(estimator, str) else estimator
    searches = [k for k, v in model.get_params().items() if k.split("__")[-1] == "cv" and v is None]
    result = np.empty(y.shape)
    for k in range(near.shape[1]):
        train = np.flatnonzero(~near[:, k])
        test = np.flatnonzero(fold == k)
        inside = _inside(train, fold, near, k)
        for column in range(y.shape[1]):
            known = y[train, column]
            if (known == known[0]).all():
                result[test, column] = known[0]
                continue
            fresh = clone(model)
            if searches:
                fresh.set_params(**{name: _usable(inside, known) for name in searches})
            result[test, column] = fresh.fit(x[train], known).predict(x[test])
    return result


def _inside(
    train: np.ndarray, fold: np.ndarray, near: np.ndarray, outer: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split the training rows by the other folds; numbers count training rows."""
    splits = []
    for j in range(near.shape[1]):
        inner_train, inner_test = ~near[train, j], fold[train] == j
        if j != outer and inner_train.any() and inner_test.any():
            splits.append((np.flatnonzero(inner_train), np.flatnonzero(inner_test)))
    return splits


def _usable(
    splits: list[tuple[np.ndarray, np.ndarray]], y: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Keep the splits whose training rows hold two classes; without any, take them as they are."""
    kept = [(a, b) for a, b in splits if len(np.unique(y[a])) > 1]
    return kept or splits


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return GridSearchCV(pipeline, {"logisticregression__C": PENALTIES}, cv=None)
