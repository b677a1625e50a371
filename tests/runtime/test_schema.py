import json
from pathlib import Path

from facetrust.records import CheckReport
from facetrust.runtime.schema import schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "check.schema.json"


def test_the_published_schema_is_current():
    fresh = schema_text()
    assert PUBLISHED.read_text() == fresh, "run: python -m facetrust.runtime.schema docs/check.schema.json"


def test_it_describes_what_is_printed():
    schema = json.loads(schema_text())
    printed = json.loads(
        CheckReport(source="a.jpg", size=(4, 5), trusted=None, reason="no face found").to_json()
    )
    assert set(schema["properties"]) == set(printed)
    assert schema["properties"]["schema"]["const"] == printed["schema"] == "facetrust.check/1"
