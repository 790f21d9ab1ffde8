from .foraging import FORAGING_MEASURES as FORAGING_MEASURES
from .measure import Measure as Measure
from .measure import measures_in as measures_in
from .signatures import signature_measures as signature_measures
from .two_step import TWO_STEP_MEASURES as TWO_STEP_MEASURES
