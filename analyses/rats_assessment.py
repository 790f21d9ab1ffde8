"""How rat-like are the two-step agents? Sixteen networks among six rats.

    python analyses/rats_assessment.py [--quick]

Every agent plays the rats' own sessions, raw and with the rats' temperature and habit, and is
forced through the rats' histories. Needs the data set miller2022-rats (fetched when it is not
here). Writes figures/rats_assessment.png, .svg and .csv.
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
    parser.add_argument("--quick", action="store_true", help="4 networks, 200 bootstrap groups")
    quick = parser.parse_args().quick
    agents = nm.load_agents("two-step")
    if quick:
        agents = agents.select(range(4))
    rats = nm.load_dataset("miller2022-rats")
    tree = nm.assess(agents, rats, n_bootstrap=200 if quick else 2000, progress=True)
    write = assessment_writers(tree, noun="rat", name="networks", decimals=5)
    for ending in ("png", "svg", "csv"):
        write[ending](STEM.with_suffix(f".{ending}"))
    for sentence in sentences(tree, noun="rat", name="the networks"):
        print("*", sentence)


if __name__ == "__main__":
    main()
