"""The report of an assessment: one HTML file that needs nothing else, plain sentences first."""

from neuro_metarl.report.models import model_sentences, model_table
from neuro_metarl.report.page import (
    assessment_writers,
    group_table,
    report_figure,
    report_numbers,
    report_page,
)
from neuro_metarl.report.sentences import sentences

__all__ = [
    "assessment_writers",
    "group_table",
    "model_sentences",
    "model_table",
    "report_figure",
    "report_numbers",
    "report_page",
    "sentences",
]
