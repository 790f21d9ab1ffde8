from .bandit import BANDIT as BANDIT
from .foraging import FORAGING as FORAGING
from .learning_set import LEARNING_SET as LEARNING_SET
from .navigation import NAVIGATION as NAVIGATION
from .paradigm import Control as Control
from .paradigm import Paradigm as Paradigm
from .registry import (
    known_paradigms as known_paradigms,
)
from .registry import (
    paradigm_named as paradigm_named,
)
from .registry import (
    paradigm_of as paradigm_of,
)
from .registry import (
    register_paradigm as register_paradigm,
)
from .two_step import TWO_STEP as TWO_STEP
from .two_step import TWO_STEP_HUMAN as TWO_STEP_HUMAN
