"""Training recipes: the published hyper-parameters and the fast ones, under names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from neuro_metarl.agents.cores import core_named
from neuro_metarl.agents.population import Shape
from neuro_metarl.agents.recipe import Recipe
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = ["RECIPES", "Recipe", "check_recipe", "fit_recipe", "make_recipe", "used_fields"]

OF_PICTURES = (
    "encoder",
    "n_features",
    "rectified_features",
    "standardize_features",
    "encoder_learning_rate",
    "encoder_frozen",
    "unroll",
    "bootstrap",
    "curriculum",
    "hold",
)
"""Fields that only agents use which see pictures."""


RECIPES: dict[str, dict[str, Recipe]] = {
    "two-step": {
        # Wang et al. 2018, doi:10.1038/s41593-018-0147-8, Methods, simulation 4: RMSProp,
        # 7e-4, gamma .9, beta_v .05, beta_e .05, one thread, learned initial state
        "published": Recipe(
            n_updates=10_000, n_episodes=1, learning_rate=7e-4, discount=0.9, gradient_clip=40
        ),
        # a clip that always bites keeps the first penalties for invalid actions from
        # swamping RMSProp's running mean for the next hundred updates
        "fast": Recipe(
            n_updates=120,
            learning_rate=2e-2,
            learning_rate_end=0.3,
            entropy_weight=0.04,
            gradient_clip=0.01,
        ),
        "thorough": Recipe(
            n_updates=600,
            learning_rate=1.5e-2,
            learning_rate_end=0.05,
            entropy_weight=0.05,
            gradient_clip=0.01,
        ),
    },
}


# Wang et al. 2016, arXiv:1611.05763: 20,000 episodes, one at a time, entropy annealed to 0. They
# tuned the learning rate and the discount for each experiment; 1e-3 and .8 are ours. The weights of
# value and entropy are those of a loss that is a mean, and rewards of 0 and 1.
BANDIT_PUBLISHED = Recipe(
    n_updates=20_000,
    n_episodes=1,
    learning_rate=1e-3,
    entropy_weight=1.0,
    entropy_weight_end=0.0,
    gradient_clip=40,
)
BANDIT_FAST = Recipe(
    n_updates=2500,
    n_episodes=32,
    optimizer="adam",
    learning_rate=1.5e-2,
    learning_rate_end=0.05,
    entropy_weight=0.3,
    entropy_weight_end=0.0,
)
for _name in (
    "bandit-dependent-easy",
    "bandit-dependent-medium",
    "bandit-dependent-uniform",
    "bandit-restless",
):
    RECIPES[_name] = {"published": BANDIT_PUBLISHED, "fast": BANDIT_FAST}
for _name, _n_updates in (("bandit-independent", 5000), ("bandit-dependent-hard", 3500)):
    RECIPES[_name] = {
        "published": BANDIT_PUBLISHED,
        "fast": BANDIT_FAST.model_copy(
            update={"n_updates": _n_updates, "n_episodes": 64, "learning_rate_end": 0.02}
        ),
    }
# the entropy bonus is large because a reward is up to 5: with less, no agent asks first
RECIPES["bandit-eleven"] = {
    "published": BANDIT_PUBLISHED,
    "fast": BANDIT_FAST.model_copy(
        update={
            "n_updates": 4000,
            "n_episodes": 128,
            "learning_rate_end": 0.2,
            "entropy_weight": 3.0,
        }
    ),
}
# what could not be read of Wang et al. 2018, simulation 1, is the number of episodes: "published"
# has the hyper-parameters that its Methods share
FORAGING = {
    "published": RECIPES["two-step"]["published"].model_copy(update={"n_updates": 20_000}),
    "fast": Recipe(
        n_updates=800,
        n_episodes=32,
        optimizer="adam",
        learning_rate=1e-2,
        learning_rate_end=0.05,
        entropy_weight=0.1,
        entropy_weight_end=0.0,
    ),
}
for _name in ("bandit-foraging", "bandit-foraging-training", "bandit-foraging-unbaited"):
    RECIPES[_name] = FORAGING
RECIPES["bandit-volatility"] = {
    "published": FORAGING["published"],
    # each pull informs equally about both arms: there is nothing to gain by looking ahead
    "fast": FORAGING["fast"].model_copy(
        update={"n_updates": 900, "n_episodes": 48, "discount": 0.5}
    ),
}
RECIPES["bandit-volatility-slow"] = {
    "published": FORAGING["published"],
    "fast": FORAGING["fast"].model_copy(update={"n_updates": 1000}),
}
# the critic is what is looked at: with a small value weight choices are perfect long before it is
INFERRED_VALUE = {
    "published": FORAGING["published"],
    "fast": Recipe(
        n_updates=2400,
        n_episodes=32,
        optimizer="adam",
        learning_rate=5e-3,
        learning_rate_end=0.05,
        discount=0.9,
        value_weight=1.0,
        entropy_weight=0.05,
        entropy_weight_end=0.0,
    ),
}
for _name in ("inferred-value", "inferred-value-independent"):
    RECIPES[_name] = INFERRED_VALUE
for _name in ("risky-choice", "risky-choice-variable"):
    RECIPES[_name] = FORAGING
RECIPES["two-step-2016"] = {
    "published": RECIPES["two-step"]["published"].model_copy(update={"n_updates": 40_000}),
    "fast": Recipe(
        n_updates=600,
        n_episodes=64,
        learning_rate=1.5e-2,
        learning_rate_end=0.05,
        entropy_weight=0.02,
        gradient_clip=0.01,
    ),
}
RECIPES["harlow"] = {
    "fast": BANDIT_FAST.model_copy(
        update={
            "n_episodes": 128,
            "learning_rate": 1e-2,
            "learning_rate_end": 0.1,
            "entropy_weight": 0.05,
        }
    ),
}

# the encoder's random features first, and until memory has formed: when the pictures' code moves
# before, memory of them does not form, or is lost again
RECIPES["harlow-pixels-direct"] = {
    "fast": RECIPES["harlow"]["fast"].model_copy(
        update={
            "n_updates": 800,
            "n_units": 64,
            "learn_initial_state": False,
            "encoder": "small",
            "standardize_features": True,
            "encoder_learning_rate": 5e-4,
            "encoder_frozen": 300,
        }
    ),
}
RECIPES["harlow-pixels"] = {
    "fast": RECIPES["harlow-pixels-direct"]["fast"].model_copy(
        update={
            "n_updates": 1200,
            "n_episodes": 64,
            "entropy_weight": 0.03,
            "gradient_clip": 0.03,
            "encoder_learning_rate": 1.2e-4,
            "encoder_frozen": 550,
            "curriculum": 0.65,
            "hold": True,
        }
    ),
}
RECIPES["harlow-pixels-paper"] = {
    # Wang et al. 2018, doi:10.1038/s41593-018-0147-8, simulation 5: 256 units, 32 threads of 1e5
    # episodes, initial state 0. The rates and weights are those of a re-implementation that states
    # them as the paper's; we could not check them. An episode is one unroll.
    "published": Recipe(
        n_updates=100_000,
        n_episodes=32,
        n_units=256,
        learning_rate=7.5e-4,
        discount=0.91,
        value_weight=0.4,
        entropy_weight=0.001,
        gradient_clip=40,
        learn_initial_state=False,
        encoder="paper",
        n_features=256,
        rectified_features=True,
        flush_denormals=True,
    ),
    # its encoder keeps its random features: thawed, it lost the memory in the two agents tried
    "fast": RECIPES["harlow-pixels"]["fast"].model_copy(
        update={
            "n_updates": 1500,
            "encoder": "wide",
            "encoder_frozen": 1500,
            "flush_denormals": True,
        }
    ),
}

# long episodes, normalised advantages and much entropy get agents to search all four arms; an
# encoder that learns at the pace of the rest loses most of its units, in one of five agents all
RECIPES["navigation"] = {
    "fast": Recipe(
        n_updates=600,
        n_episodes=32,
        n_units=64,
        optimizer="adam",
        learning_rate=8e-3,
        learning_rate_end=0.1,
        discount=0.95,
        value_weight=0.5,
        entropy_weight=0.15,
        entropy_weight_end=0.02,
        learn_initial_state=False,
        normalize_advantage=True,
        encoder="small-4",
        encoder_learning_rate=1e-3,
        standardize_features=True,
        unroll=100,
        bootstrap=True,
    ),
}
RECIPES["navigation-continuous"] = {
    "fast": RECIPES["navigation"]["fast"].model_copy(
        update={
            "n_updates": 400,
            "n_episodes": 48,
            "learning_rate": 6e-3,
            "encoder": "linear",
            "rectified_features": True,
        }
    ),
}


def make_recipe(task: str, name: str = "fast", changes: Mapping[str, Any] | None = None) -> Recipe:
    """Find a recipe by task and name, and change any of its values.

    Parameters
    ----------
    task
        Name of a task; a form without recipes of its own uses those of ``"two-step"``.
    name
        ``"published"``, ``"fast"`` or ``"thorough"``.
    changes
        Fields of :class:`Recipe` to change; text is converted.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        Unknown recipe or key, or an impossible value.

    Examples
    --------
    >>> make_recipe("two-step", "published").learning_rate
    0.0007
    >>> make_recipe("two-step", changes={"n_unit": 10})
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: recipe: unknown key 'n_unit'; did you mean 'n_units'?
    """
    recipes = RECIPES.get(task, RECIPES["two-step"])
    if name not in recipes:
        raise InputError(f"no recipe {name!r} for {task!r}; {did_you_mean(name, recipes)}")
    return check_recipe(recipes[name].model_dump() | dict(changes or {}))


def check_recipe(values: Mapping[str, Any]) -> Recipe:
    """Make a recipe from a mapping, refusing unknown keys and impossible values.

    Parameters
    ----------
    values
        Fields of :class:`Recipe`.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        One line that names the key, the value and what would be right.

    Examples
    --------
    >>> check_recipe({"n_updates": 10, "learning_rate": -1})
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: recipe: learning_rate is -1: input should be greater than 0
    """
    try:
        recipe = Recipe.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"recipe: unknown key {key!r}; {did_you_mean(key, Recipe.model_fields)}"
            ) from None
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"recipe: {key} is {first['input']}: {message}") from None
    try:
        core_named(recipe.core)
    except InputError as error:
        raise InputError(f"recipe: {error}") from None
    return recipe


def used_fields(recipe: Recipe, task: Task | VisualTask) -> list[str]:
    """Name the fields of a recipe that training on a task reads.

    Parameters
    ----------
    recipe
        Of the agents.
    task
        What they are trained on.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> "encoder" in used_fields(make_recipe("two-step"), make_task("two-step"))
    False
    """
    unused = set() if isinstance(task, VisualTask) else set(OF_PICTURES)
    if recipe.curriculum is None:
        unused.add("hold")
    if not core_named(recipe.core).learns_start:
        unused.add("learn_initial_state")
    return [name for name in Recipe.model_fields if name not in unused]


def fit_recipe(recipe: Recipe, task: Task | VisualTask) -> Recipe:
    """Refuse a recipe that says what training on a task would not do.

    Parameters
    ----------
    recipe
        How.
    task
        What is learned.

    Returns
    -------
    Recipe
        The same; of a core whose first state is always zero, ``learn_initial_state`` is false.

    Raises
    ------
    InputError
        A field that would have no effect is not at its default, or the task shows the reward
        besides the input that ``see_reward`` takes away.

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> fit_recipe(make_recipe("two-step", changes={"encoder_learning_rate": 0.1}),
    ...            make_task("two-step"))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: recipe: encoder_learning_rate is 0.1, but ...
    """
    core = core_named(recipe.core)
    if recipe.learn_initial_state and not (core.learns_start and core.remembers):
        recipe = recipe.model_copy(update={"learn_initial_state": False})
    used = used_fields(recipe, task)
    for name, field in Recipe.model_fields.items():
        value = getattr(recipe, name)
        if name not in (*used, "learn_initial_state") and value != field.default:
            raise InputError(
                f"recipe: {name} is {value!r}, but {_why_unused(name, task)}, where it would have "
                f"no effect; leave it at {field.default!r}; of the fields that are used, "
                f"{did_you_mean(name, used)}"
            )
    if not recipe.see_reward and getattr(task, "shows_reward", False):
        raise InputError(
            f"recipe: see_reward is False, but task {task.name!r} shows the last reward among its "
            "observations too, so that the agents would still see it; leave it at True"
        )
    if not (recipe.see_reward or core.reward_columns(_sizes(recipe, task))):
        raise InputError(
            f"recipe: see_reward is False, but core {core.name!r} does not say which weights see "
            "the reward; define its reward_columns, or leave see_reward at True"
        )
    return recipe


def _sizes(recipe: Recipe, task: Task | VisualTask) -> Shape:
    n_observations = recipe.n_features if isinstance(task, VisualTask) else task.n_observations
    return Shape(n_observations, task.n_actions, recipe.n_units)


def _why_unused(name: str, task: Task | VisualTask) -> str:
    if isinstance(task, VisualTask):
        return "there is no 'curriculum', so that there is no first stage"
    return f"task {task.name!r} shows no pictures and its agents have no encoder"
