"""Bona fide presentation or presentation attack."""

from facetrust.tasks.task import Task

TASK = Task(
    name="antispoof",
    question="Is a live person in front of the camera, or a print, a screen or a mask?",
    negative="bona fide",
    positive="attack",
    positive_means="an attack",
    distrusts=True,
    as_published=True,
    bundled="antispoof-tiny",
)
