"""Recurrent meta-reinforcement-learning agents as model subjects, compared with animals.

Everything public is here and is imported when it is first used, so that analysing behavior never
imports torch.

>>> import neuro_metarl as nm
>>> cohort = nm.load_dataset("synthetic-rats")
>>> nm.subjects_of(cohort)[:2]
['synthetic-1', 'synthetic-2']
"""

from __future__ import annotations

from importlib import import_module
from types import FunctionType
from typing import Any

_WHERE = {
    "errors": ["InputError"],
    "cohort": [
        "concat_cohorts",
        "make_cohort",
        "responses",
        "select_subjects",
        "subjects_of",
        "validate_cohort",
    ],
    "storage": ["from_dataframe", "open_cohort", "save_cohort", "to_dataframe"],
    "io": [
        "AIND_COLUMNS",
        "add_activity",
        "align",
        "from_disrnn",
        "from_neo",
        "from_pynapple",
        "from_tinyrnn",
        "nwb_columns",
        "nwb_series",
        "nwb_spikes",
        "read",
        "read_aind",
        "read_akam",
        "read_beron",
        "read_blanco_pozo",
        "read_boussard",
        "read_grossman",
        "read_hbayesdm",
        "read_miller",
        "read_miller2017",
        "read_neo",
        "read_nwb",
        "read_tab",
        "read_table",
        "read_trepka",
        "to_disrnn",
        "to_neo",
        "to_pynapple",
        "to_tinyrnn",
        "write_neo",
        "write_nwb",
        "write_table",
    ],
    "datasets": [
        "dataset_info",
        "fetch_dataset",
        "list_datasets",
        "load_dataset",
        "load_reference",
    ],
    "tasks": [
        "Bandit",
        "ElevenArms",
        "Harlow",
        "HarlowPixels",
        "Navigation",
        "RestlessBandit",
        "TwoStep",
        "list_tasks",
        "make_task",
        "register_task",
    ],
    "agents.cores": ["Core", "list_cores", "register_core"],
    "agents.players": ["make_player"],
    "behavior.navigation": ["goal_latency"],
    "behavior.bandits": ["first_arms", "regret", "suboptimal_pulls", "win_stay"],
    "behavior.learning_rates": ["fit_learning_rates"],
    "agents.training": ["train", "train_in_stages"],
    "agents.recipes": ["Recipe", "make_recipe"],
    "agents.zoo": ["Agents", "list_agents", "load_agents", "save_agents"],
    "cognitive.models": ["Model", "Parameter", "find_model", "list_models"],
    "cognitive.hybrid_models": ["hybrid", "hybrid_human", "make_hybrid"],
    "cognitive.mixture_models": ["mixture", "mixture_2017"],
    "cognitive.akam_models": ["make_akam"],
    "cognitive.two_step_models": ["latent_state", "reward_as_cue"],
    "cognitive.bandit_models": ["q_learning"],
    "cognitive.misfit": ["misfit_test"],
    "cognitive.fitting": ["fit", "fit_models"],
    "cognitive.hierarchy": ["fit_hierarchical", "integrated_bic"],
    "cognitive.selection": ["compare_models", "cross_validate", "fit_table", "select_models"],
    "cognitive.likelihood": ["trial_log_likelihood"],
    "cognitive.posterior": ["sample_posterior", "to_arviz"],
    "cognitive.beliefs": ["bayes_belief"],
    "cognitive.model_signals": ["model_signals"],
    "neural.decoding": ["decode"],
    "neural.prediction_errors": ["prediction_error_regression"],
    "plotting.decoding": ["plot_decoding", "plot_prediction_errors"],
    "cognitive.recovery": [
        "confusion",
        "normalized_weights",
        "predict",
        "recover",
        "simulate_design",
    ],
    "recording": ["record", "record_to_zarr", "trace"],
    "recording.doses": ["dose_response"],
    "recording.perturbation": [
        "Perturbation",
        "clamp",
        "inject",
        "lesion",
        "lesion_at_random",
        "lesion_reward",
        "scale",
    ],
    "behavior.two_step": ["lagged_regression", "one_back_regression", "stay_probability"],
    "behavior.profile": ["bandit_profile", "profile"],
    "behavior.reward_levels": ["lagged_by_reward", "stay_by_reward"],
    "behavior.learning_sets": [
        "learning_curve",
        "mean_learning_curve",
        "published_curve",
    ],
    "behavior.learning_signatures": ["learning_set_profile"],
    "behavior.navigation_signatures": ["navigation_profile"],
    "paradigms": ["Control", "Paradigm", "paradigm_of", "register_paradigm"],
    "comparison.groups": ["compare_groups"],
    "assessment": ["assess", "assess_profiles"],
    "report": ["report_page"],
    "yoking": ["record_yoked", "replay"],
    "comparison.prediction": ["model_log_odds", "predict_animals"],
    "comparison.cloud": ["leave_one_out", "place"],
    "measures": ["Measure"],
    "comparison.measures": ["compare"],
    "comparison.table": ["summarize", "to_table"],
    "neural.areas": ["fraction_significant", "summarize_areas"],
    "neural.encoding": ["encode", "unit_correlations"],
    "neural.regressors": ["task_regressors"],
    "neural.virtual": ["spike_times", "virtual_calcium", "virtual_spikes"],
    "plotting.activity": ["plot_cpd", "plot_fraction_significant", "plot_unit_correlations"],
    "neural.demixing": ["demixed_pca", "marginalize"],
    "neural.dissimilarity": ["compare_dissimilarities", "dissimilarities"],
    "neural.dynamical_similarity": ["delay_operators", "dynamical_similarity"],
    "neural.dynamics": ["fixed_points", "input_of", "step_map"],
    "neural.fixed_points": ["find_fixed_points"],
    "neural.geometry": ["dimensionality", "pca_trajectories"],
    "neural.populations": ["condition_means"],
    "neural.similarity": ["compare_populations"],
    "plotting.navigation": ["plot_goal_latency", "plot_maze", "plot_path", "plot_value"],
    "plotting.geometry": [
        "plot_demixed",
        "plot_eigenvalues",
        "plot_similarity",
        "plot_trajectories",
    ],
    "plotting": [
        "plot_assessment",
        "plot_comparison",
        "plot_confusion",
        "plot_first_trials",
        "plot_indices",
        "plot_lagged_weights",
        "plot_learning_curve",
        "plot_model_comparison",
        "plot_placement",
        "plot_prediction",
        "plot_recovery",
        "plot_stay_probability",
    ],
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'neuro_metarl' has no attribute {name!r}")
    value = getattr(import_module(f"neuro_metarl.{_MODULE_OF[name]}"), name)
    if isinstance(value, FunctionType):
        value = import_module("neuro_metarl.public").naming_arguments(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
