"""The parts of a face: a class for every pixel."""

from facetrust.tasks.task import Task

TASK = Task(
    name="parsing",
    question="Where in the picture are skin, brows, eyes, nose, mouth and hair of this face?",
    target="mask",
    output="classes",
    protocol="segmentation",
    bundled="parsing-tiny",
)
