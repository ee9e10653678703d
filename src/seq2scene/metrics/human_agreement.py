"""Human agreement by a caption metric: each reference scored against the other references of its image."""

from collections.abc import Sequence

from torchmetrics import Metric


def human_line(metric: Metric, references: Sequence[Sequence[str]]) -> float:
    """The mean over k of the score of every image's k-th reference against its other references.

    A model is scored against one more reference than people are here, a small advantage. Images with a single
    reference are left out; k runs up to the smallest number of references among the others.
    """
    several = [list(texts) for texts in references if len(texts) > 1]
    scores = []
    for i in range(min(map(len, several), default=0)):
        metric.reset()
        metric.update([texts[i] for texts in several], [texts[:i] + texts[i + 1 :] for texts in several])
        scores.append(float(metric.compute()))
    metric.reset()
    return sum(scores) / len(scores) if scores else float("nan")
