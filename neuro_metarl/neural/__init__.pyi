from .agreement import dissimilarity_agreement as dissimilarity_agreement
from .agreement import population_agreement as population_agreement
from .areas import fraction_significant as fraction_significant
from .areas import summarize_areas as summarize_areas
from .coding import coding_strength as coding_strength
from .controls import coding_table as coding_table
from .decoding import decode as decode
from .delays import delay_operators as delay_operators
from .delays import dynamical_similarity as dynamical_similarity
from .demixing import demixed_pca as demixed_pca
from .demixing import marginalize as marginalize
from .dissimilarity import (
    compare_dissimilarities as compare_dissimilarities,
)
from .dissimilarity import (
    dissimilarities as dissimilarities,
)
from .dynamics import fixed_points as fixed_points
from .dynamics import input_of as input_of
from .dynamics import step_map as step_map
from .encoding import encode as encode
from .encoding import unit_correlations as unit_correlations
from .fixed_point_search import find_fixed_points as find_fixed_points
from .geometry import dimensionality as dimensionality
from .geometry import pca_trajectories as pca_trajectories
from .history import history_design as history_design
from .history import leaky_counters as leaky_counters
from .populations import condition_means as condition_means
from .prediction_errors import prediction_error_regression as prediction_error_regression
from .regressors import task_regressors as task_regressors
from .similarity import compare_populations as compare_populations
from .value_inference import ideal_target_value as ideal_target_value
from .value_inference import inferred_value as inferred_value
from .virtual import (
    spike_times as spike_times,
)
from .virtual import (
    virtual_calcium as virtual_calcium,
)
from .virtual import (
    virtual_spikes as virtual_spikes,
)
