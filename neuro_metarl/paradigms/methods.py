"""Sentences on methods and limits that the reports of several paradigms share."""

from __future__ import annotations

__all__ = ["CALIBRATED", "CLOUD", "FEW", "GROUPS", "PREDICTION", "REPLICATION", "SANDWICH", "WEAK"]

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
FEW = "Few {many} cannot show that an agent is {noun}-like: read undecided as undecided."
REPLICATION = "n is the number of separately trained networks and of {many}. Selection: {selected}."
WEAK = (
    "The test of prediction is weak; its share and ceiling are the result. A more flexible own "
    "model may raise the ceiling and lower every share."
)
CALIBRATED = (
    "Calibrated agents take their temperature and habit from the same {many}, which favors them "
    "slightly."
)
