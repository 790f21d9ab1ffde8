"""How mouse-like are agents of the drifting bandit? Eight networks among sixteen mice.

    python analyses/mice_assessment.py [--quick]

Every agent plays the mice's own sessions on baited arms, raw and with the mice's temperature and
habit, and is forced through the mice's histories. Needs the data set bari2019-mice (fetched when it
is not here). Writes figures/mice_assessment.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import neuro_metarl as nm
from neuro_metarl.report import assessment_writers, sentences

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem


def main() -> None:
    """Assess, draw, say it in words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 networks, 200 bootstrap groups")
    quick = parser.parse_args().quick
    agents = nm.load_agents("bandit-restless")
    if quick:
        agents = agents.select(range(2))
    mice = nm.load_dataset("bari2019-mice")
    tree = nm.assess(agents, mice, n_bootstrap=200 if quick else 2000, progress=True)
    write = assessment_writers(tree, noun="mouse", name="networks", decimals=5)
    for ending in ("png", "svg", "csv"):
        write[ending](STEM.with_suffix(f".{ending}"))
    for sentence in sentences(tree, noun="mouse", name="the networks"):
        print("*", sentence)


if __name__ == "__main__":
    main()
