from .akam_models import make_akam as make_akam
from .bandit_models import q_learning as q_learning
from .beliefs import bayes_belief as bayes_belief
from .fitting import fit as fit
from .fitting import fit_models as fit_models
from .foraging_beliefs import foraging_belief as foraging_belief
from .hierarchy import fit_hierarchical as fit_hierarchical
from .hierarchy import integrated_bic as integrated_bic
from .hybrid_models import (
    hybrid as hybrid,
)
from .hybrid_models import (
    hybrid_human as hybrid_human,
)
from .hybrid_models import (
    make_hybrid as make_hybrid,
)
from .likelihood import trial_log_likelihood as trial_log_likelihood
from .misfit import misfit_test as misfit_test
from .mixture_models import mixture as mixture
from .mixture_models import mixture_2017 as mixture_2017
from .model import (
    Model as Model,
)
from .model import (
    Parameter as Parameter,
)
from .model import (
    find_model as find_model,
)
from .model import (
    list_models as list_models,
)
from .posterior import sample_posterior as sample_posterior
from .posterior import to_arviz as to_arviz
from .random_effects import select_families as select_families
from .random_effects import select_models as select_models
from .recovery import (
    confusion as confusion,
)
from .recovery import (
    normalized_weights as normalized_weights,
)
from .recovery import (
    predict as predict,
)
from .recovery import (
    recover as recover,
)
from .recovery import (
    simulate_design as simulate_design,
)
from .selection import (
    compare_models as compare_models,
)
from .selection import (
    cross_validate as cross_validate,
)
from .selection import (
    fit_table as fit_table,
)
from .session_models import mix_sessions as mix_sessions
from .session_models import session_mixture as session_mixture
from .signals import model_signals as model_signals
from .two_step_models import latent_state as latent_state
from .two_step_models import reward_as_cue as reward_as_cue
