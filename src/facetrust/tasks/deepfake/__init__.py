"""Genuine or manipulated face."""

from facetrust.tasks.task import Task

TASK = Task(
    name="deepfake",
    question="Was this face swapped or re-enacted?",
    negative="genuine",
    positive="manipulated",
    positive_means="manipulated",
    distrusts=True,
    bundled="deepfake-tiny",
)
