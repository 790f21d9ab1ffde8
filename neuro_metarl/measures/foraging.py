"""Measures of foraging between baited arms: matching, what it earns, and what past trials weigh.

References
----------
Tsutsui et al. 2016, doi:10.1038/ncomms12554; Wang et al. 2018, doi:10.1038/s41593-018-0147-8,
figure 2.
"""

from __future__ import annotations

from neuro_metarl.behavior.history import history_regression
from neuro_metarl.behavior.matching_law import matching
from neuro_metarl.measures.measure import Measure

__all__ = ["FORAGING_MEASURES"]

FORAGING_MEASURES = (
    Measure(
        "reward_rate", matching, label="reward", unit="reward per trial", count="n_matching",
        limits=(0.0, 1.0),
    ),
    Measure(
        "switch_rate", matching, label="switches", unit="P(switch)", count="n_matching",
        line=0.5, limits=(0.0, 1.0),
    ),
    *(
        Measure(
            name, matching, label=label, unit="slope of log ratios", panel="matching",
            count="n_matching", line=1.0,
        )
        for name, label in (
            ("slope", "all sessions"), ("trained_slope", "trained"), ("held_out_slope", "held out"),
        )
    ),
    Measure(
        "history_weight", history_regression, ("term", "lag"), unit="weight (log odds)",
        count="n_history", line=0.0, summarized=False,
    ),
)  # fmt: skip
