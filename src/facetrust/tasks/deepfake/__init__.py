"""Genuine or manipulated face."""

from facetrust.tasks.task import Task

TASK = Task(
    name="deepfake",
    question="Was this face swapped or re-enacted?",
    negative="genuine",
    positive="manipulated",
    positive_means="a manipulation",
    negative_says="The model sees no sign that this face was swapped or re-enacted.",
    positive_says="The model takes this face for a swapped or re-enacted one.",
    distrusts=True,
    bundled="deepfake-small",
)
