"""Animal data sets by name: what they are, where they live, fetched once and checked.

A file is looked for in the folder ``NEURO_METARL_DATA`` (and below it) if that variable is set,
then in the user's cache folder. A download goes into the first of the two that there is. What is
used has the registered checksum; where none is registered, a warning says the file's sha256. Some
deposits cannot be fetched by an address, or are folders: these are put there by hand.
"""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
