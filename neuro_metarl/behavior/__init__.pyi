from .bandits import (
    first_arms as first_arms,
)
from .bandits import (
    regret as regret,
)
from .bandits import (
    suboptimal_pulls as suboptimal_pulls,
)
from .bandits import (
    win_stay as win_stay,
)
from .history import history_regression as history_regression
from .learning_rates import fit_learning_rates as fit_learning_rates
from .learning_sets import (
    learning_curve as learning_curve,
)
from .learning_sets import (
    mean_learning_curve as mean_learning_curve,
)
from .learning_sets import (
    published_curve as published_curve,
)
from .learning_signatures import learning_set_profile as learning_set_profile
from .matching_law import matching as matching
from .matching_law import matching_points as matching_points
from .navigation import goal_latency as goal_latency
from .navigation_signatures import navigation_profile as navigation_profile
from .phase_rates import phase_learning_rates as phase_learning_rates
from .profiles import bandit_profile as bandit_profile
from .profiles import profile as profile
from .reward_levels import lagged_by_reward as lagged_by_reward
from .reward_levels import stay_by_reward as stay_by_reward
from .risky_choices import risky_choice as risky_choice
from .two_step import (
    lagged_regression as lagged_regression,
)
from .two_step import (
    one_back_regression as one_back_regression,
)
from .two_step import (
    stay_probability as stay_probability,
)
