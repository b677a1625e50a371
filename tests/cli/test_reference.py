"""The published reference of the commands is what the program says of itself."""

from __future__ import annotations

from pathlib import Path

from facetrust.cli.reference import reference_text
from facetrust.cli.status import EXIT_STATUS

PUBLISHED = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_published_reference_is_current():
    assert PUBLISHED.read_text() == reference_text(), (
        "run: python -m facetrust.cli.reference docs/commands.md"
    )


def test_it_has_every_kind_of_line():
    lines = reference_text().splitlines()
    for line in (
        EXIT_STATUS,
        "## facetrust check",
        "| `PATHS…` | Pictures, videos, folders or globs of them; - is one on standard input. | required |",
        "| `--evidence PATH` | Folder for evidence maps. |  |",
        "| `--threads NUMBER` | Threads of a model; 0 is all cores. | `1` |",
        "## facetrust data split",
        "| `--seed NUMBER` | Decides who is drawn for dev. | `0` |",
        "| `--baselines / --no-baselines` | Also score by trivial measures. | `--baselines` |",
    ):
        assert line in lines
