"""Run the command as ``python -m neuro_metarl.cli``."""

from neuro_metarl.cli import main

main()
