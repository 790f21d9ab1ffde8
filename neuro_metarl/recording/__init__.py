"""Record what subjects do on a task, and what their units do: the one door into a cohort.

Whoever plays becomes a list of recorders, one per subject (:func:`_recorders` is the one place
that knows the kinds of subjects); what they make is joined in memory by :func:`record` or written
batch by batch by :func:`record_to_zarr`.
"""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
