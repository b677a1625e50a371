"""Which tint has a face? An embedding."""

from facetrust.tasks.task import Task

TASK = Task(
    name="toy-tint",
    question="Whose tint is this?",
    target="identity",
    output="embedding",
    negative="different",
    positive="same",
    positive_means="the same tint",
    protocol="toy-pairs",
)
