"""Bona fide presentation or presentation attack."""

from facetrust.tasks.task import Task

TASK = Task(
    name="antispoof",
    question="Is a live person in front of the camera, or a print, a screen or a mask?",
    negative="bona fide",
    positive="attack",
    positive_means="an attack",
    negative_says="The model takes this for a live person in front of the camera.",
    positive_says="The model takes this for a print, a screen or a mask held in front of the camera.",
    distrusts=True,
    as_published=True,
    bundled="antispoof-tiny",
)
