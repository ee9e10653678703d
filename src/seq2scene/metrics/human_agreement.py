"""How people score by a metric of captions: each reference in turn against the others of its image."""

from collections.abc import Sequence

from torchmetrics import Metric


def human_line(metric: Metric, references: Sequence[Sequence[str]]) -> float:
    """The mean, over the places in the list of references, of the score that the ones there have.

    A machine is scored against one reference more than people are here, which is a small help to it. Images
    with one reference are left out; those with more than the fewest use their first ones as captions.
    """
    several = [list(texts) for texts in references if len(texts) > 1]
    scores = []
    for i in range(min(map(len, several), default=0)):
        metric.reset()
        metric.update([texts[i] for texts in several], [texts[:i] + texts[i + 1 :] for texts in several])
        scores.append(float(metric.compute()))
    metric.reset()
    return sum(scores) / len(scores) if scores else float("nan")
