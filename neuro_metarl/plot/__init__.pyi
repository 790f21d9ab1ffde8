from .activity import (
    cpd as cpd,
)
from .activity import (
    fraction_significant as fraction_significant,
)
from .activity import (
    unit_correlations as unit_correlations,
)
from .assessed import assessment as assessment
from .assessed import placement as placement
from .assessed import prediction as prediction
from .compared import comparison as comparison
from .decoded import decoding as decoding
from .decoded import prediction_errors as prediction_errors
from .geometry import (
    demixed as demixed,
)
from .geometry import (
    eigenvalues as eigenvalues,
)
from .geometry import (
    similarity as similarity,
)
from .geometry import (
    trajectories as trajectories,
)
from .learning_sets import (
    first_trials as first_trials,
)
from .learning_sets import (
    learning_curve as learning_curve,
)
from .learning_sets import (
    learning_curves as learning_curves,
)
from .measures import (
    indices as indices,
)
from .measures import (
    lagged_weights as lagged_weights,
)
from .measures import (
    stay_probability as stay_probability,
)
from .models import (
    confusion as confusion,
)
from .models import (
    model_comparison as model_comparison,
)
from .models import (
    recovery as recovery,
)
from .navigation import goal_latency as goal_latency
from .navigation import maze as maze
from .navigation import path as path
from .navigation import value as value
from .portraits import phase_portrait as phase_portrait
