"""Whose face is it? An embedding: two of one person are alike, those of two people are not."""

from facetrust.tasks.task import Task

TASK = Task(
    name="recognition",
    question="Whose face is it, and are two faces the same person's?",
    target="identity",
    output="embedding",
    negative="different",
    positive="same",
    positive_means="the same person",
    protocol="verification",
    bundled="recognition-tiny",
)
