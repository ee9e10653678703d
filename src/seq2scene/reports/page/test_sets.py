"""What the page shows of one test set: its scores, the facts that hold, scenes, sentences and pictures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics import CHRF

from seq2scene.errors import UserError
from seq2scene.metrics.bleu import bleu_options
from seq2scene.metrics.faithfulness import GROUPS, NAME
from seq2scene.metrics.rouge import rouge_l
from seq2scene.metrics.scene_scores import ROW
from seq2scene.reports.captioning.caption_baselines import CaptionBaselines
from seq2scene.reports.captioning.captions import Captions
from seq2scene.reports.page import bootstrap
from seq2scene.reports.page.bootstrap import Scores as Intervals
from seq2scene.reports.page.bootstrap import agrees
from seq2scene.reports.page.pictures import Picture, Pictures
from seq2scene.reports.page.run_files import Rows, Run, read_lines
from seq2scene.reports.scene.unchanged_composites import UnchangedComposites
from seq2scene.scenes.relations import RELATIONS
from seq2scene.sequences.lines import read_lines as read_sentences
from seq2scene.tasks.task import Column

COMPARISONS = dict(Captions.comparisons + CaptionBaselines.comparisons + UnchangedComposites.comparisons)
SCENE_WIDTH, STRIP_WIDTH, MAP_WIDTH, PLOT_WIDTH = (
    500,
    1200,
    900,
    700,
)  # pixels of pictures at most
# How the names of scores from 0 to 100 begin; others are from 0 to 1
PERCENT = ("bleu", "chrf", "rouge", "meteor")
SHAPES = ("size", "aspect", "iou")  # scores of layouts and composites
ENDS, BETWEEN = 5, 10  # sentences shown of the best and of the worst, and of those between them
MOST_PICTURES = 12  # maps of attention shown of a folder


@dataclass(frozen=True)
class Score:
    """A line of a table of scores. value, low, high: as text, empty if there is none. beside: the same score
    of something else, by its label.
    """

    name: str
    heading: str
    value: str
    low: str = ""
    high: str = ""
    bar: tuple[float, float, float] | None = None  # low, score and high, as shares of the scale
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shares:
    """A line of the table of facts; as ``Score``. counted: facts of this kind, empty if unknown."""

    kind: str
    group: bool
    counted: str
    score: Score
    strict: str


@dataclass(frozen=True)
class Scene:
    """A card of the gallery. facts: in words, each with whether it holds."""

    sample: int
    text: str
    pictures: list[Picture]
    facts: list[tuple[str, bool]]
    merit: str
    scores: dict[str, str]
    strip: Picture | None


@dataclass(frozen=True)
class Sentence:
    """What a model wrote, with its references and the score that it is sorted by."""

    number: int
    source: str
    written: str
    references: Sequence[str]
    score: str


def shown(value: Any, digits: int) -> str:
    """A number as text; a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) and isfinite(value) else "-"


# Scores


def score_rows(run: Run, test: str, intervals: Intervals, notes: list[str]) -> list[Score]:
    """The scores that the task's tables show, or all if the task is unknown.

    intervals: recomputed scores, each with its interval; one that differs from the run's own is not shown,
    which ``notes`` say.
    """
    scores, kind = run.scores[test], run.task_class()
    columns = [column for column in kind.columns if column.name in scores] if kind else []
    columns = columns or [Column(name, name, 3) for name, value in scores.items() if isinstance(value, float)]
    return [_score(column, scores, intervals, _beside(run, scores), notes) for column in columns]


def other_scores(run: Run, test: str, rows: Sequence[Score]) -> dict[str, str]:
    """All other numbers and texts in metrics.json, by name."""
    known = {row.name for row in rows}
    found: dict[str, str] = {}
    for name, value in run.scores[test].items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": shown(one, 4) for inner, one in value.items()}
        elif name not in known:
            found[name] = value if isinstance(value, str) else shown(value, 4)
    return found


def _score(
    column: Column,
    scores: Mapping[str, Any],
    intervals: Intervals,
    beside: Mapping[str, Mapping[str, Any]],
    notes: list[str],
) -> Score:
    name, digits = column.name, column.digits
    value, low, high, bar = scores[name], "", "", None
    if name in intervals and value is not None:
        recomputed, (start, end) = intervals[name]
        if agrees(value, recomputed):
            low, high = shown(start, digits), shown(end, digits)
            scale = 100 if name.startswith(PERCENT) else 1
            first, middle, last = (min(max(one / scale, 0.0), 1.0) for one in (start, value, end))
            bar = (first, middle, last)
        else:
            notes.append(
                f"{name}: no interval, as the files of samples give {recomputed:.4f} and metrics.json "
                f"{value:.4f}"
            )
    others = {label: shown(other[name], digits) for label, other in beside.items() if name in other}
    return Score(name, column.heading, shown(value, digits), low, high, bar, others)


def _beside(run: Run, scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Scores of something else by the same metrics, by label: what reports added, and published ones, unless
    the evaluation was on other data.
    """
    beside = {COMPARISONS.get(k, k.replace("_", " ")): v for k, v in scores.items() if isinstance(v, Mapping)}
    if "_target_" in run.config.get("data", {}) and run.evaluates:
        return beside
    for entry in run.model_config.get("published") or []:
        label = entry.get("system", "published")
        beside[f"{label} ({entry['source']})" if "source" in entry else label] = entry
    return beside


# Samples

SAMPLES = {  # the file in which a report writes the samples of a test set, after its name
    "scenes": "scenes.jsonl",
    "captions": "captions.jsonl",
    "hypotheses": "hypotheses.txt",
}


def sample_file(run: Run, test: str) -> tuple[str | None, Path]:
    """The report that wrote the samples of a test set, and its file: the first that is there, or one that is
    missing although the run was to write it. (None, the run's folder) if there is neither.
    """
    files = [(report, run.folder / f"{test}.{ending}") for report, ending in SAMPLES.items()]
    there = [(report, file) for report, file in files if file.is_file()]
    due = [(report, file) for report, file in files if report in run.reports]
    return next(iter([*there, *due]), (None, run.folder))


# Intervals


def score_intervals(run: Run, test: str) -> tuple[Intervals, str]:
    """Of the scores of a test set, from whatever its reports wrote, and what was resampled. Raises UserError
    if they wrote neither scenes, captions nor hypotheses.
    """
    report, file = sample_file(run, test)
    if report is None or not file.is_file():
        raise UserError(
            f"{run.folder}: nothing to resample for {test}; its run needs the report scenes, captions or "
            "hypotheses"
        )
    if report == "hypotheses":
        return translation_intervals(run, test, translation_lines(run.folder, test))
    rows = read_lines(file)
    return scene_intervals(rows) if report == "scenes" else caption_intervals(rows)


def scene_intervals(rows: Rows) -> tuple[Intervals, str]:
    """Of the scores of scenes, and what was resampled. All texts of a scene are drawn together."""
    units = [row["scene"] for row in rows]
    columns = defaultdict(list)
    for row in rows:
        for name, value in row["scores"].items():
            if name == f"{NAME}_duplicates" or not name.startswith(NAME):
                columns[name].append(np.nan if value is None else value)
    counts = {f"{NAME}_{kind}": pairs for kind, pairs in fact_counts(rows).items()}
    found = bootstrap.ratios({**bootstrap.means(columns), **counts}, units)
    return found, f"{len(rows)} texts of {len(set(units))} scenes"


def fact_counts(rows: Rows) -> dict[str, np.ndarray]:
    """(samples, 2) of each kind of facts and of whole texts: how many hold and how many are stated; with
    ``_strict`` too. {} if it is not known what the texts state.
    """
    if not all("facts" in row for row in rows):
        return {}
    kinds = {**GROUPS, **{kind: (kind,) for kind in RELATIONS}}
    found = {}
    for key, suffix in (("holds", ""), ("holds_strict", "_strict")):
        marks = [[("denial" if f.get("denied") else f["kind"], f[key]) for f in row["facts"]] for row in rows]
        for name, members in kinds.items():
            chosen = [[holds for kind, holds in text if kind in members] for text in marks]
            found[name + suffix] = np.array([[sum(text), len(text)] for text in chosen], dtype=float)
        whole = [[holds for _, holds in text] for text in marks]
        found[f"text{suffix}"] = np.array([[bool(text) and all(text), bool(text)] for text in whole])
    return found


def caption_intervals(rows: Rows) -> tuple[Intervals, str]:
    captions, references = ([row[key] for row in rows] for key in ("caption", "references"))
    return bootstrap.caption_scores(captions, references), f"{len(rows)} images"


def translation_intervals(run: Run, test: str, lines: Mapping[str, list[str]]) -> tuple[Intervals, str]:
    options = bleu_options(run.scores[test].get("signature", ""))
    found = bootstrap.translation_scores(lines["hypotheses"], lines["references"], **options)
    return found, f"{len(lines['hypotheses'])} sentences"


def translation_lines(folder: Path, test: str) -> dict[str, list[str]]:
    """Lines of the sources, references and hypotheses of a test set."""
    sides = ("sources", "references", "hypotheses")
    return {side: read_sentences(folder / f"{test}.{side}.txt") for side in sides}


# Facts


def fact_rows(run: Run, test: str, rows: Rows, intervals: Intervals, notes: list[str]) -> list[Shares]:
    """The share of facts that hold, of each kind that some text states; [] without facts."""
    scores, counts, found = run.scores[test], fact_counts(rows), []
    kinds = [*(k for k in GROUPS if k not in ("relation", "all")), "relation", *RELATIONS, "all", "text"]
    for kind in kinds:
        name = f"{NAME}_{kind}"
        if scores.get(name) is None:
            continue
        counted = f"{int(counts[kind][:, 1].sum())}" if counts else ""
        score = _score(Column(name, kind.replace("_", " "), 3), scores, intervals, {}, notes)
        strict = shown(scores[f"{name}_strict"], 3) if f"{name}_strict" in scores else ""
        found.append(Shares(kind, kind not in RELATIONS, counted, score, strict))
    return found


# Scenes


def gallery(folder: Path, test: str, rows: Rows, pictures: Pictures) -> list[Scene]:
    """The scenes of a gallery from the best to the worst: pictures beside the true ones first, then, as far
    as there is room, the steps of each with what they attended to.
    """
    place = folder / f"{test}.gallery"
    by_sample = {row["sample"]: row for row in rows}
    chosen = [by_sample[int(path.name.split(".")[0])] for path in place.glob("*.generated.png")]
    chosen.sort(key=merit, reverse=True)
    shown_kinds = ("generated", "inpainted", "true", "photo")
    cards = []
    for row in chosen:
        stem = f"{row['sample']:04d}"
        paths = {kind: place / f"{stem}.{kind}.png" for kind in shown_kinds}
        found = [pictures.embed(p, SCENE_WIDTH, kind) for kind, p in paths.items() if p.is_file()]
        cards.append((row, [picture for picture in found if picture is not None]))
    return [
        Scene(
            row["sample"],
            " ".join(row["sentences"]),
            found,
            [(fact["words"], fact["holds"]) for fact in row.get("facts", ())],
            shown(merit(row), 3),
            {name: shown(value, 2) for name, value in row["scores"].items()},
            _optional(pictures, place / f"{row['sample']:04d}.strip.png", STRIP_WIDTH, "step by step"),
        )
        for row, found in cards
    ]


def merit(row: Mapping[str, Any]) -> float:
    """The mean of the scores of a scene that galleries are sorted by."""
    scores = row["scores"]
    names = (*ROW, *(SHAPES if "iou" in scores else ("pose", "expression")))
    known = [scores[name] for name in names if scores.get(name) is not None]
    return float(np.mean(known)) if known else -1.0


def _optional(pictures: Pictures, path: Path, width: int, text: str) -> Picture | None:
    return pictures.embed(path, width, text) if path.is_file() else None


# Sentences


def translations(lines: Mapping[str, list[str]]) -> list[Sentence]:
    """Sorted by chrF of each sentence, the best first."""
    chrf = CHRF()
    rows = zip(lines["sources"], lines["hypotheses"], lines["references"], strict=True)
    scored = [
        (chrf.sentence_score(text, [gold]).score, n, source, text, gold)
        for n, (source, text, gold) in enumerate(rows, start=1)
    ]
    return [
        Sentence(number, source, text, [gold], f"chrF {score:.1f}")
        for score, number, source, text, gold in sorted(scored, key=lambda one: -one[0])
    ]


def captions(rows: Rows) -> list[Sentence]:
    """Sorted by ROUGE-L of each caption, the best first."""
    scored = [(100 * rouge_l(row["caption"], row["references"]), n, row) for n, row in enumerate(rows, 1)]
    return [
        Sentence(n, row["image"], row["caption"], row["references"], f"ROUGE-L {score:.1f}")
        for score, n, row in sorted(scored, key=lambda one: -one[0])
    ]


def choose(sentences: Sequence[Sentence]) -> dict[str, Sequence[Sentence]]:
    """The best, some between and the worst of sorted sentences, by heading; all if they are few."""
    if len(sentences) <= 2 * ENDS + BETWEEN:
        return {"from the best to the worst": sentences}
    inner = sentences[ENDS:-ENDS]
    spread = np.linspace(0, len(inner) - 1, BETWEEN + 2)[1:-1].round().astype(int)
    between = [inner[number] for number in spread]
    return {"best": sentences[:ENDS], "between, evenly spread": between, "worst": sentences[-ENDS:]}


# Other pictures


def maps(folder: Path, patterns: Sequence[str], pictures: Pictures, width: int = MAP_WIDTH) -> list[Picture]:
    """The pictures that match ``patterns`` in a folder, up to MOST_PICTURES; the rest is counted."""
    paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    pictures.left_out += len(paths[MOST_PICTURES:])
    found = [pictures.embed(p, width, str(p.relative_to(folder))) for p in paths[:MOST_PICTURES]]
    return [picture for picture in found if picture is not None]
