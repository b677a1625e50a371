from __future__ import annotations

import json
from pathlib import Path

import pytest

from facetrust.errors import UsageError
from facetrust.records.settings import require_same_settings


def test_the_first_settings_are_kept_and_the_same_ones_pass(tmp_path: Path) -> None:
    file = tmp_path / "new" / "made.json"
    require_same_settings(file, {"seed": 1, "kinds": ["print"]})
    require_same_settings(file, {"kinds": ["print"], "seed": 1})
    assert json.loads(file.read_text()) == {"seed": 1, "kinds": ["print"]}


def test_others_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    require_same_settings(file, {"seed": 1, "kinds": ["print"]})
    for other, said in (({"seed": 2}, "seed 1, not 2"), ({"seed": 1, "side": 9}, "side None, not 9")):
        with pytest.raises(UsageError, match=f"holds pictures made with {said}; remove it or give another"):
            require_same_settings(file, other)
    assert json.loads(file.read_text())["seed"] == 1


@pytest.mark.parametrize("text", ["[", "[1]", ""])
def test_a_damaged_file_is_said_to_be(tmp_path: Path, text: str) -> None:
    file = tmp_path / "made.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"made\.json: is damaged; remove"):
        require_same_settings(file, {"seed": 1})
