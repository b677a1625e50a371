"""The published JSON schema of a check report.

Written by `python -m facetrust.runtime.schema docs/check.schema.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from facetrust.records import CheckReport, write_text


def schema_text() -> str:
    """Returns the JSON schema of `CheckReport` as it is printed, indented, with a last newline."""
    schema = CheckReport.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "facetrust.check/1"}
    return json.dumps({**head, **schema}, indent=2) + "\n"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), schema_text())
