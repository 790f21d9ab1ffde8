from . import agents as agents
from . import behavior as behavior
from . import comparison as comparison
from . import datasets as datasets
from . import io as io
from . import measures as measures
from . import models as models
from . import neural as neural
from . import paradigms as paradigms
from . import perturb as perturb
from . import plot as plot
from . import recording as recording
from . import tasks as tasks
from .agents.players import make_player as make_player
from .agents.recipes import make_recipe as make_recipe
from .agents.training import train as train
from .agents.zoo import load_agents as load_agents
from .agents.zoo import save_agents as save_agents
from .assessment import assess as assess
from .assessment import assess_profiles as assess_profiles
from .behavior.bandits import regret as regret
from .behavior.bandits import win_stay as win_stay
from .behavior.learning_sets import learning_curve as learning_curve
from .behavior.profiles import profile as profile
from .behavior.two_step import (
    lagged_regression as lagged_regression,
)
from .behavior.two_step import (
    stay_probability as stay_probability,
)
from .cohort import (
    concat_cohorts as concat_cohorts,
)
from .cohort import (
    make_cohort as make_cohort,
)
from .cohort import (
    responses as responses,
)
from .cohort import (
    select_subjects as select_subjects,
)
from .cohort import (
    subjects_of as subjects_of,
)
from .cohort import (
    validate_cohort as validate_cohort,
)
from .comparison.groups import compare_groups as compare_groups
from .comparison.measures import compare as compare
from .comparison.table import summarize as summarize
from .comparison.table import to_table as to_table
from .datasets.loading import load_dataset as load_dataset
from .datasets.registry import list_datasets as list_datasets
from .errors import InputError as InputError
from .io.nwb import read_nwb as read_nwb
from .io.reading import read as read
from .io.tables import read_table as read_table
from .models.fitting import fit as fit
from .models.fitting import fit_models as fit_models
from .models.selection import compare_models as compare_models
from .neural.decoding import decode as decode
from .neural.encoding import encode as encode
from .neural.populations import condition_means as condition_means
from .recording.cohorts import record as record
from .recording.cohorts import record_to_zarr as record_to_zarr
from .recording.doses import dose_response as dose_response
from .report import report_page as report_page
from .storage import (
    from_dataframe as from_dataframe,
)
from .storage import (
    open_cohort as open_cohort,
)
from .storage import (
    save_cohort as save_cohort,
)
from .storage import (
    to_dataframe as to_dataframe,
)
from .tasks.registry import make_task as make_task
from .tasks.registry import register_task as register_task
from .yoking import record_yoked as record_yoked
from .yoking import replay as replay

__version__: str
