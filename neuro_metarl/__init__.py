"""Recurrent meta-reinforcement-learning agents as model subjects, compared with animals.

The nouns and verbs of daily use are here; the rest is in the rooms ``agents``, ``behavior``,
``comparison``, ``datasets``, ``io``, ``measures``, ``models``, ``neural``, ``paradigms``,
``perturb``, ``plot``, ``recording`` and ``tasks``. Each is
imported when it is first used, so that analysing behavior
never imports torch.

>>> import neuro_metarl as nm
>>> cohort = nm.load_dataset("synthetic-rats")
>>> nm.subjects_of(cohort)[:2]
['synthetic-1', 'synthetic-2']
"""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
