"""Several cohorts as one: which of their units are the same, and their sessions stacked."""

from neuro_metarl.joining.identity import refuse_same_sessions
from neuro_metarl.joining.stack import stack_sessions
from neuro_metarl.joining.units import SameUnits, join_units

__all__ = ["SameUnits", "join_units", "refuse_same_sessions", "stack_sessions"]
