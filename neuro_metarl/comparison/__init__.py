"""Compare subjects: the same measures on each, and how far one lies from a cloud of animals."""

from neuro_metarl.comparison.measures import check_comparable, compare, join_comparisons
from neuro_metarl.comparison.table import from_table, summarize, to_table

__all__ = ["check_comparable", "compare", "from_table", "join_comparisons", "summarize", "to_table"]
