"""What every report says of its methods and limits, and how its page looks."""

from __future__ import annotations

from typing import Literal

from neuro_metarl.plotting.style import plural

__all__ = ["METHODS", "REFERENCES", "STYLE", "Kind", "limits"]

Kind = Literal["two-step", "bandit", "learning set"]

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.2}
h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}
.lead{font-size:1.05rem;background:#f4f6f8;padding:.6rem 1rem;border-left:4px solid #0072b2}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin:.6rem 0}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th{white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}
.wide svg{width:100%;min-width:44rem;height:auto}
.outside{color:#b33c00;font-weight:600}.inside{color:#00664b;font-weight:600}
.note{color:#555;font-size:.9rem}details{margin:.5rem 0}code{font-size:.85rem}
@media print{body{max-width:none;padding:0}details[open] summary{display:none}h2{break-after:avoid}}
"""
CLOUD = (
    "<b>Cloud.</b> y<sub>i</sub> = b<sub>i</sub> + e<sub>i</sub>, e ~ N(0, S<sub>i</sub>), "
    "b ~ N(&mu;, &tau;&sup2;) per signature; &tau; integrated out on a grid with Jeffreys' prior; "
    "predictive z = &Phi;<sup>&minus;1</sup>(P(new animal &lt; subject)); without measurement "
    "error this is the single-case t-test of Crawford &amp; Howell. Over all signatures, max "
    "|z| and D&sup2; are referred to a parametric bootstrap (t with 16 degrees of freedom) that "
    "estimates everything again.",
    "<b>Verdicts.</b> Outside: p (Holm over the signatures) &lt; .05. Inside: the central 90 % "
    "interval of (subject &minus; mean)/&tau; lies within &plusmn;2. Else undecided.",
)
SANDWICH = (
    "Errors by the session sandwich (blocks of trials below 12 sessions), never below the "
    "model-based ones, correlated as the model says."
)
PREDICTION = (
    "<b>Prediction.</b> The agent is forced through the animal's history; its log odds x are "
    "calibrated, logit P = T x + bias + &kappa; last choice, on half the sessions and scored on "
    "the other. Share = (L &minus; L<sub>bias and repetition</sub>) / (L<sub>own model</sub> "
    "&minus; L<sub>bias and repetition</sub>); the own model is {own} fitted to the animal on the "
    "same folds; p from Crawford &amp; Howell on the excess gap, two-sided. Both tests are "
    "Holm-corrected together. Calibrated agents play with the mean T and &kappa;."
)
GROUPS = "<b>Groups.</b> Welch's test over subjects on every signature, Holm-corrected."
METHODS: dict[Kind, tuple[str, ...]] = {
    "two-step": (
        "<b>Profile.</b> Lagged logistic regression of the choice on the last five trials by kind "
        "(common or rare, rewarded or not), Firth's penalty; planning = CR &minus; RR &minus; CO + "
        "RO, model-free = CR + RR &minus; CO &minus; RO, stay = sum, common-stay = CR &minus; RR + "
        f"CO &minus; RO, each at lag 1 and summed over lags 2 to 5. {SANDWICH}",
        *CLOUD,
        "<b>Yoked sessions.</b> Agents play copies of every animal's sessions: lengths, forced "
        "choices and nominal probabilities trial by trial, with fresh transitions and rewards.",
        PREDICTION.format(own="a mixture of agents"),
        GROUPS,
    ),
    "bandit": (
        "<b>Profile.</b> Logistic regression of the choice on the last five trials, Firth's "
        "penalty: x is +1 or &minus;1 for a rewarded choice, y for one without; reward = R &minus; "
        f"U, stay = R + U, each at lag 1 and summed over lags 2 to 5. {SANDWICH}",
        *CLOUD,
        "<b>Yoked sessions.</b> Agents play copies of every animal's sessions: lengths, imposed "
        "choices and nominal probabilities trial by trial, with fresh rewards, baited where the "
        "animals' are.",
        PREDICTION.format(own="differential-forgetting Q learning (Ito &amp; Doya)"),
        GROUPS,
    ),
    "learning set": (
        "<b>Profile.</b> Two logistic regressions with Firth's penalty over the first six trials "
        "of each problem: correct on trial 1, trial 2 and trials 3 to 6 (in the middle of a "
        "subject's problems) and the change over problems after trial 1; choosing the same object "
        "after a reward (win-stay) and another after none (lose-shift). Errors by the session "
        "sandwich, never below the model-based ones, correlated as the scores of problems are.",
        *CLOUD,
        GROUPS,
    ),
}
REFERENCES = (
    ("Crawford & Howell 1998", "10.1076/clin.12.4.482.7241"),
    ("Firth 1993", "10.1093/biomet/80.1.27"),
    ("Miller, Botvinick & Brody 2017", "10.1038/nn.4613"),
    ("Miller, Botvinick & Brody 2022", "10.7554/eLife.64575"),
    ("Wang et al. 2018", "10.1038/s41593-018-0147-8"),
    ("Akam, Costa & Dayan 2015", "10.1371/journal.pcbi.1004648"),
    ("Ito & Doya 2009", "10.1523/JNEUROSCI.6157-08.2009"),
)


def limits(noun: str, selected: str, kind: Kind) -> tuple[str, ...]:
    """Say what a report cannot show.

    Parameters
    ----------
    noun
        What an animal is called.
    selected
        How many agents were chosen from how many.
    kind
        Kind of task.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> limits("rat", "none", "bandit")[0]
    'Few rats cannot show that an agent is rat-like: read undecided as undecided.'
    """
    many = plural(noun)
    first = f"Few {many} cannot show that an agent is {noun}-like: read undecided as undecided."
    n = f"n is the number of separately trained networks and of {many}. Selection: {selected}."
    prediction = (
        "The test of prediction is weak; its share and ceiling are the result. A more flexible own "
        "model may raise the ceiling and lower every share.",
        f"Calibrated agents take their temperature and habit from the same {many}, which favors "
        "them slightly.",
    )
    if kind == "two-step":
        return (
            first,
            "An agent that uses reward as a cue is a blind spot of this profile.",
            "Weights scale with the transition probability; odds, forced trials and session "
            "lengths are matched, the agents' learning history is not.",
            n,
            *prediction,
            "Error rates were measured on simulated rats of one model family; power against agents "
            "that are not of it is optimistic.",
        )
    if kind == "learning set":
        return (
            first,
            n,
            "On simulated animals the test is cautious: it calls a new one outside in 2 to 4 % of "
            "cases.",
        )
    return (
        first,
        n,
        "A plain Q learner that is about as noisy as the animals is a blind spot of this profile: "
        "see its share in the prediction.",
        "Error rates were measured on simulated mice of one model family on baited arms.",
        "Odds, imposed choices and session lengths are matched, the agents' learning history is "
        "not; their clock runs from 0 to 1 over the longest session.",
        *prediction,
    )
