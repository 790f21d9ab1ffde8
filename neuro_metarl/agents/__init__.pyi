from .cores import Core as Core
from .cores import list_cores as list_cores
from .cores import register_core as register_core
from .players import make_player as make_player
from .recipes import Recipe as Recipe
from .recipes import make_recipe as make_recipe
from .training import train as train
from .training import train_in_stages as train_in_stages
from .two_cores import TwoCores as TwoCores
from .two_cores import load_two_cores as load_two_cores
from .two_cores import train_two_cores as train_two_cores
from .zoo import (
    Agents as Agents,
)
from .zoo import (
    list_agents as list_agents,
)
from .zoo import (
    load_agents as load_agents,
)
from .zoo import (
    save_agents as save_agents,
)
from .zoo import (
    untrained as untrained,
)
