from .bandits import Bandit as Bandit
from .bandits import ElevenArms as ElevenArms
from .bandits import RestlessBandit as RestlessBandit
from .base import Task as Task
from .base import VisualTask as VisualTask
from .checking import check_task as check_task
from .foraging import Foraging as Foraging
from .harlow import Harlow as Harlow
from .harlow_pixels import HarlowPixels as HarlowPixels
from .inferred_value import InferredValue as InferredValue
from .navigation import Navigation as Navigation
from .registry import (
    list_tasks as list_tasks,
)
from .registry import (
    make_task as make_task,
)
from .registry import (
    register_task as register_task,
)
from .risky import Risky as Risky
from .two_step import TwoStep as TwoStep
from .volatility import Volatility as Volatility
