from .cloud import leave_one_out as leave_one_out
from .cloud import place as place
from .conventions import multiverse as multiverse
from .effects import animals_needed as animals_needed
from .effects import effect_size as effect_size
from .effects import power_of as power_of
from .groups import compare_groups as compare_groups
from .measures import (
    check_comparable as check_comparable,
)
from .measures import (
    compare as compare,
)
from .measures import (
    join_comparisons as join_comparisons,
)
from .plans import analysis_plan as analysis_plan
from .plans import check_plan as check_plan
from .plans import read_plan as read_plan
from .plans import write_plan as write_plan
from .power import plan_power as plan_power
from .prediction import model_log_odds as model_log_odds
from .prediction import predict_animals as predict_animals
from .table import from_table as from_table
from .table import summarize as summarize
from .table import to_table as to_table
