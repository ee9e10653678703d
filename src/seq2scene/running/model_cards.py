"""Model cards: what a model is, what it learnt from, how well it does, and how it is used."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seq2scene.models.model import Model
from seq2scene.tasks.loading import is_generated

WHAT = {  # by kind of model: what it does, three lines of Python after loading, and the end of a command
    "translator": (
        "translates from {source_language} into {target_language}",
        'print(model.translate("{example}"))',
        'generate.py ckpt={name} text="{example}"',
    ),
    "language model": (
        "is a language model: it continues texts and says how likely they are",
        'print(model.continue_text("{example}"), model.perplexity("{example}"))',
        'generate.py ckpt={name} text="{example}"',
    ),
    "captioner": (
        "describes photos",
        'print(model.caption("photo.jpg"))',
        "generate.py ckpt={name} image=photo.jpg",
    ),
    "scene writer": (
        "draws scenes of texts: it places objects one after the other, attending to the words",
        'model.write("{example}").save("scene.png")',
        'generate.py ckpt={name} text="{example}" out=scene.png',
    ),
    "inpainter": (
        "turns composites of patches into photos",
        "inpainted = writer.inpainted(scene, model)  # writer: a model of composites",
        "generate.py ckpt=COMPOSITE inpainter={name} text=... out=scene.png",
    ),
}
COUNTED = ("scenes.jsonl", "captions.jsonl", "hypotheses.txt")  # files of a test set with a line per sample


def model_card(model: Model, facts: Mapping[str, Any], path: Path, name: str) -> str:
    """The card in Markdown. facts: those of ``model.json``. path: the checkpoint, beside which its run wrote
    the scores. name: of the folder.
    """
    does, python, command = (
        text.format(**_words(model), name=name) if "{" in text else text for text in WHAT[model.kind]
    )
    size = sum(parameter.numel() for parameter in model.parameters())
    sections = {
        name: f"A model of seq2scene that {does}. "
        f"Task `{facts['task']}`, {size / 1e6:.2f} million parameters.",
        "Use": f'```python\nimport seq2scene\n\nmodel = seq2scene.load("{name}")\n{python}\n```\n\n'
        f"```sh\npython src/{command}\n```",
        "Data": _data(model.config["data"]),
        "Scores": _scores(path),
        "Training": _training(facts),
        "Limits": _limits(model),
        "Licence": _licence(model.config["data"]),
    }
    heads = [f"{'#' if number == 0 else '##'} {head}" for number, head in enumerate(sections)]
    return "\n\n".join(part for pair in zip(heads, sections.values(), strict=True) for part in pair) + "\n"


def _words(model: Model) -> dict[str, Any]:
    """What the texts of ``WHAT`` leave open."""
    from_park = is_generated(model.config["data"])
    return {
        "example": "Mike is happy. A dog is next to the tent." if from_park else "A man and a dog.",
        "source_language": model.description.get("source_language"),
        "target_language": model.description.get("target_language"),
    }


def _data(data: Mapping[str, Any]) -> str:
    kind = str(data["_target_"]).rpartition(".")[2]
    if is_generated(data):
        settings = ", ".join(f"{key} {value}" for key, value in (data.get("park") or {}).items())
        return f"The park, a world that seq2scene generates itself (`{kind}`: {settings})."
    files = {key: data[key] for key in ("root", "train") if data.get(key)}
    return f"`{kind}`" + "".join(f", {key} `{value}`" for key, value in files.items()) + "."


def _scores(path: Path) -> str:
    """The scores of the run's tests, which are those of its best checkpoint."""
    found = path.with_name("metrics.json")
    if path.is_dir() or not found.is_file():
        return f"None: there is no metrics.json beside {path.name}; `evaluate.py` computes scores."
    if path.name != "best.ckpt":
        return "None: the run tested its best checkpoint, and this is another one."
    tables = []
    for test, scores in json.loads(found.read_text(encoding="utf-8")).items():
        counts = [_lines(path.with_name(f"{test}.{file}")) for file in COUNTED]
        count = next((f", n = {count} samples" for count in counts if count is not None), "")
        rows = [f"| {name} | {_value(value)} |" for name, value in _flat(scores)]
        tables.append("\n".join([f"Test set `{test}`{count}:\n", "| score | value |", "|---|---|", *rows]))
    return "\n\n".join(tables)


def _flat(scores: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, Any]]:
    """Scores by name; those of baselines begin with the baseline's."""
    for name, value in scores.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{begin}{name} ")
        else:
            yield begin + name, value


def _lines(path: Path) -> int | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:  # a text may have carriage returns
        return sum(1 for _ in file)


def _value(value: Any) -> str:
    shown = "null" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return shown.replace("|", "\\|")  # which would end the cell


def _training(facts: Mapping[str, Any]) -> str:
    lines = [f"```sh\n{facts['command']}\n```"]
    if facts["steps"]:
        lines.append(f"{facts['steps']} steps, in epoch {facts['epoch']}, counted from 0.")
    lines.append(f"Commit `{facts['commit']}`." if facts["commit"] else "The commit is not known.")
    return "\n\n".join(lines)


def _limits(model: Model) -> str:
    """What the model cannot do, as far as its description tells."""
    lines = []
    languages = {key: model.description[key] for key in ("source", "language") if key in model.description}
    if "texts" in model.description:
        languages["texts"] = model.description["texts"]["language"]
    for state in languages.values():
        words = len(state["vocabulary"]["tokens"]) - 4
        lines.append(f"It knows {words} words or pieces of words, and was trained on no others.")
    if model.kind == "scene writer":
        schema = model.schema
        lines.append(
            f"It draws {len(schema.names)} classes of objects, at most {schema.max_objects} in a scene, from "
            f"at most {schema.sentences} sentence{'s' if schema.sentences > 1 else ''}."
        )
    lines.append(
        "It repeats what its data show, mistakes and gaps included, and nothing checks what it says."
    )
    return "\n".join(f"- {line}" for line in lines)


def _licence(data: Mapping[str, Any]) -> str:
    if is_generated(data):
        return "MIT, as seq2scene. Its data, too, are seq2scene's own."
    return (
        "The code is under the MIT licence; the data that the model learnt from have licences of their own."
    )
