"""Derive the reference values of the six rats: numbers, not their data.

    python datasets/miller2022_rats/prepare.py [PATH_OF_ofc_physdata.mat]

Without a path the registered file is fetched.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from neuro_metarl import compare, to_table
from neuro_metarl.datasets import dataset_info, fetch_dataset, file_hash
from neuro_metarl.errors import InputError
from neuro_metarl.io import read_miller

NAME = "miller2022-rats"
OUT = Path(__file__).resolve().parents[2] / "neuro_metarl" / "data" / f"reference_{NAME}.csv"


def main() -> None:
    """Measure the rats with the package's defaults and write the table with its provenance."""
    entry = dataset_info(NAME)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else fetch_dataset(NAME)
    if file_hash(path) != entry.hash:
        raise InputError(f"{path}: not the registered file ({entry.checksum})")
    result = compare({"rats": read_miller(path)}, progress=True)
    table = to_table(result)
    for column in ("value", "low", "high"):
        table[column] = table[column].round(4)
    table.to_csv(OUT, index=False)
    provenance = {
        "what": "values derived from six rats; no animal's trials are in this file",
        "data": {"file": entry.file, "sha256": entry.hash, "url": entry.url},
        "citation": entry.citation,
        "licence": entry.licence,
        "made_by": "python datasets/miller2022_rats/prepare.py",
        "version": f"neuro_metarl {version('neuro_metarl')}",
        "settings": dict(result.attrs),
    }
    OUT.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
