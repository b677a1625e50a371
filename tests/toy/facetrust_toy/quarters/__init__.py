"""Which quarter is a pixel in? Classes."""

from facetrust.tasks.task import Task

TASK = Task(
    name="toy-quarters",
    question="Which part of the face is where?",
    target="mask",
    output="classes",
    protocol="toy-overlap",
)
