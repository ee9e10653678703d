"""The composites that an inpainter starts from, scored as if it had left them unchanged."""

from seq2scene.reports.report import Report, ScoredSet
from seq2scene.tasks.inpainting import InpaintingTask

PREFIX = "composite_"  # of their scores, as the task computes them


class UnchangedComposites(Report):
    """Sets the scores of the composites apart, under ``composite``, by the names of the inpainter's own."""

    name = "unchanged_composites"
    tasks = (InpaintingTask,)
    comparisons = (("composite", "as it was"),)

    def score(self, test: ScoredSet) -> None:
        names = [name for name in test.scores if name.startswith(PREFIX)]
        test.scores["composite"] = {name.removeprefix(PREFIX): test.scores.pop(name) for name in names}
