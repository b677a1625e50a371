"""A report of a check: what it is worth in an `if`, and as JSON."""

from __future__ import annotations

import json

import pytest

from facetrust.records import CheckReport, Verdict


@pytest.mark.parametrize(("trusted", "worth"), [(True, True), (False, False), (None, False)])
def test_a_report_is_true_only_where_all_was_judged_and_trusted(trusted, worth):
    assert bool(CheckReport(source="a.png", size=(8, 8), trusted=trusted)) is worth


def test_how_a_threshold_was_chosen_and_what_could_not_be_written_are_in_the_json():
    verdict = Verdict(
        task="antispoof", score=0.5, threshold=0.25, threshold_rule="user", decision="attack", model="m@1"
    )
    report = CheckReport(
        source="a.png", size=(8, 8), trusted=False, verdicts=(verdict,), evidence_errors=("maps: is full",)
    )
    printed = json.loads(report.to_json())
    assert printed["verdicts"][0]["threshold_rule"] == "user"
    assert printed["evidence_errors"] == ["maps: is full"]
