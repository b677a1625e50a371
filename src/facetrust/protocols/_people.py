"""What the protocols of people share: nobody who is asked about may have been trained on."""

from __future__ import annotations

from facetrust.errors import ProtocolError
from facetrust.protocols._judgement import Column
from facetrust.records import Scores

RATES = {"10%": 0.1, "1%": 0.01, "0.1%": 0.001, "0.01%": 1e-4, "0.001%": 1e-5, "0.0001%": 1e-6}
_FEW = 10
_SPACE = "\N{NO-BREAK SPACE}"


def check_strangers(test: Scores) -> None:
    """Checks that nobody who is asked about was trained on.

    Raises:
        ProtocolError: somebody was.
    """
    count = test.made_by.trained_people
    if count:
        raise ProtocolError(
            f"{test.made_by.model} was trained on {count} of the people of the {test.made_by.split} split; "
            "leave them out, for figures of people that it knows say nothing about others"
        )


def strangers_note(test: Scores) -> tuple[str, ...]:
    """Returns a sentence where nobody knows whom the model was trained on."""
    if test.made_by.trained_people is not None:
        return ()
    return (
        f"Whom {test.made_by.model} was trained on is not known here; people whom it knows would flatter it "
        "(evaluate --trained-on).",
    )


def clusters_note(clusters: int, *, drawn: bool) -> tuple[str, ...]:
    """Returns a sentence where there are too few people for intervals that say much."""
    if not drawn:
        return (f"No intervals: {clusters} cluster(s) cannot be redrawn.",)
    if clusters < _FEW:
        return (f"Only {clusters} clusters: the intervals are coarse and tend to be too narrow.",)
    return ()


def rates_for(negatives: int, first: str = "1%") -> dict[str, float]:
    """Returns the false rates, from the first on, that so many negatives can tell from none at all."""
    names = list(RATES)[list(RATES).index(first) :]
    return {name: RATES[name] for name in names if negatives * RATES[name] >= 1}


def shown(rate: str) -> str:
    """Returns a rate with a space before its sign."""
    return rate.replace("%", f"{_SPACE}%")


def up(metric: str, title: str, meaning: str, *, percent: bool = True) -> Column:
    """Returns the column of a figure of which more is better."""
    return Column(metric=metric, title=title, percent=percent, higher_is_better=True, meaning=meaning)


def down(metric: str, title: str, meaning: str) -> Column:
    """Returns the column of a figure of which less is better."""
    return Column(metric=metric, title=title, higher_is_better=False, meaning=meaning)
