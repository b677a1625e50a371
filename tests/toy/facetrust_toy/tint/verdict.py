"""An embedding decides nothing alone."""

from facetrust.records import Embedding


def judge(vector, card) -> Embedding:
    """Returns the embedding as a record."""
    values = tuple(float(value) for value in vector)
    return Embedding(task=card.task, model=card.title, dimensions=len(values), vector=values)
