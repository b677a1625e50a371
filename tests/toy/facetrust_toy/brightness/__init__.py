"""Is the picture bright? A score of a whole picture."""

from facetrust.tasks.task import Task

TASK = Task(
    name="toy-brightness",
    question="Is this picture bright?",
    unit="picture",
    negative="dark",
    positive="bright",
    positive_means="bright",
    distrusts=True,
)
