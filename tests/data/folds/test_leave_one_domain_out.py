from __future__ import annotations

import pytest

from facetrust.data.folds.leave_one_domain_out import leave_one_domain_out
from facetrust.errors import ProtocolError


@pytest.fixture
def rows(make_rows):
    return [
        *make_rows("nuaa"), *make_rows("Replay Attack", splits="train dev test"), *make_rows("wmca")
    ]  # fmt: skip


def test_each_domain_is_reported_whole_and_the_others_train(rows, part):
    folds = leave_one_domain_out(rows)
    assert [fold.name for fold in folds] == ["to-nuaa", "to-replay-attack", "to-wmca"]
    for fold, target in zip(folds, ("nuaa", "Replay Attack", "wmca"), strict=True):
        assert len(fold.samples) == len(rows)
        mine = {row.path for row in rows if row.domain == target}
        assert {row.path for row in part(fold, "test")} == mine


def test_dev_is_the_sources_own_or_drawn(rows, part):
    to_wmca = leave_one_domain_out(rows)[2]
    own = {row.path for row in rows if row.domain == "Replay Attack" and row.split == "dev"}
    assert {row.path for row in part(to_wmca, "dev", "Replay Attack")} == own
    drawn = part(to_wmca, "dev", "nuaa")
    assert {int(row.subject.split("-")[-1]) % 2 for row in drawn} == {0}  # The even numbers train.


def test_simulated_attacks_belong_to_the_people_they_show(make_rows, part):
    rows = [*make_rows("nuaa"), *make_rows("wmca")]
    made = [
        row.model_copy(update={"path": f"s/{row.path}", "domain": "nuaa-simulated", "label": 1})
        for row in rows
        if row.domain == "nuaa"
    ]
    to_nuaa, to_wmca = leave_one_domain_out([*rows, *made])
    assert len(part(to_nuaa, "test", "nuaa-simulated")) == len(made)
    people = [
        {row.subject for row in part(to_wmca, split) if row.domain != "wmca"} for split in ("train", "dev")
    ]
    assert not people[0] & people[1]


def test_somebody_known_from_two_sets_is_on_one_side(make_rows, part):
    rows = [
        row.model_copy(update={"subject": f"Person{row.subject.split('-')[-1]}"}) if name != "lab" else row
        for name, start in (("nuaa", 0), ("wmca", 6), ("lab", 0))
        for row in make_rows(name, people=12)
        if int(row.subject.split("-")[-1]) >= start
    ]
    folds = leave_one_domain_out(rows)
    assert len(folds) == 3
    for fold in folds:
        places = {}
        for row in fold.samples:
            places.setdefault(row.subject.casefold(), set()).add(row.split)
        assert all(len(splits) == 1 for splits in places.values())
    to_lab, to_nuaa, to_wmca = folds
    assert len(part(to_wmca, "test", "wmca")) == 6 * 12
    assert {row.domain for row in part(to_nuaa, "train")} == {"lab"}  # Wmca shows nobody else.
    assert {"nuaa", "wmca"} <= {row.domain for row in part(to_lab, "train")}


def test_what_it_needs_is_said(make_rows):
    rows = make_rows("nuaa")
    with pytest.raises(ProtocolError, match="two domains or more; found: nuaa"):
        leave_one_domain_out(rows)
    with pytest.raises(ProtocolError, match="found: none"):
        leave_one_domain_out([])
    with pytest.raises(ProtocolError, match=r"wmca/0-live-0\.png names no domain"):
        leave_one_domain_out([*rows, make_rows("wmca")[0].model_copy(update={"domain": None})])
    live = [row for row in make_rows("wmca") if not row.label]
    with pytest.raises(ProtocolError, match="fold to-wmca: no attacks in test"):
        leave_one_domain_out([*rows, *make_rows("lab"), *live])
