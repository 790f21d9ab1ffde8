from .perturbation import (
    Perturbation as Perturbation,
)
from .perturbation import (
    clamp as clamp,
)
from .perturbation import (
    inject as inject,
)
from .perturbation import (
    lesion as lesion,
)
from .perturbation import (
    lesion_at_random as lesion_at_random,
)
from .perturbation import (
    lesion_reward as lesion_reward,
)
from .perturbation import (
    scale as scale,
)
