"""From a checkpoint or a model folder to a model, without the task that trained it.

``shipped_models()`` lists the models that ``load`` knows by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq2scene.building import find
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import (
    find_checkpoint,
    find_checkpoints,
    load_checkpoint,
    rename_weights,
    require_numbers,
)
from seq2scene.models.folders import MODEL
from seq2scene.models.folders import shipped_models as shipped_models
from seq2scene.models.model import Model
from seq2scene.search.beam import Beam
from seq2scene.search.constraints import LIMITS, Constraints
from seq2scene.search.ensemble import require_average
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.search.stepwise import Greedy, Sample

MODELS = {  # by task of this project; other tasks name theirs as ``model_class``
    "seq2scene.tasks.nmt.NMT": "translator.Translator",
    "seq2scene.tasks.lm.LM": "language_model.LanguageModel",
    "seq2scene.tasks.captioning.Captioning": "captioner.Captioner",
    "seq2scene.tasks.scenes.SceneTask": "scene_writer.SceneWriter",
    "seq2scene.tasks.composites.CompositeTask": "composite_writer.CompositeWriter",
    "seq2scene.tasks.inpainting.InpaintingTask": "inpainter.Inpainter",
}
SEARCHES = {"greedy": Greedy, "beam": Beam, "sample": Sample, "mbr": MinimumBayesRisk}  # by option
DEVICES = ("cpu", "cuda", "mps")
NO_CACHE = "/dev/null/no-cache"  # where nothing can be written


def load(
    ckpt: str | Path | Sequence[str | Path],
    device: str = "cpu",
    search: Constraints | Mapping[str, Any] | None = None,
    ensemble: str = "logits",
    cache: str | Path | None = None,
) -> Model:
    """The model of a checkpoint, ready to use; for several of translators or of scene writers, their
    ensemble (``models.ensemble``).

    ckpt: a checkpoint, a run folder (its best checkpoint), a model folder (``models.folders``), the name of a
    model that ships with the package, or a list of these.
    device: see ``find_device``.
    search: replaces the checkpoint's own, or changes some of its options, e.g. {"size": 10}.
    ensemble: how distributions are averaged: logits, log_probs or probs (``search.ensemble``).
    cache: folder for the approximate index of patches; None: not cached.

    Raises:
        UserError: there is no such checkpoint, device, average or search option; a file is damaged; weights
            are not finite; or the checkpoints of an ensemble cannot write together, or have different
            vocabularies.
    """
    device = find_device(device)
    paths = find_checkpoints(ckpt, "best.ckpt")
    require_average(ensemble)
    checkpoints = [load_checkpoint(path) for path in paths]
    require_together(paths, checkpoints)
    models = [model_of(checkpoint, search, cache) for checkpoint in checkpoints]
    model = models[0] if len(models) == 1 else models[0].ensemble(models, ensemble)
    return model.eval().to(device)


def find_device(name: str) -> str:
    """The device of this name: cpu, cuda, cuda:N or mps; ``auto`` is a CUDA device if there is one, else the
    CPU. Raises UserError for what is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in DEVICES or (number and (kind != "cuda" or not number.isdigit())):
        raise UserError(f"device={name} is not a choice; choose one of auto, {', '.join(DEVICES)}")
    if kind == "cuda" and not int(number or 0) < torch.cuda.device_count():
        raise UserError(f"device={name}: no {'such ' if number else ''}GPU is visible; use device=cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError("device=mps: this machine has no Apple GPU that PyTorch can use; use device=cpu")
    return name


def model_of(
    checkpoint: dict[str, Any],
    search: Constraints | Mapping[str, Any] | None = None,
    cache: str | Path | None = None,
) -> Model:
    """The model that a checkpoint holds, with its weights; search and cache as in ``load``."""
    parts = checkpoint["hyper_parameters"]
    config = without_pretrained(parts["config"])
    if "data" in config:
        config = {**config, "data": {**config["data"], "cache": str(cache or NO_CACHE)}}
    if isinstance(search, Mapping) and (chosen := chosen_search(search, config)) is not None:
        config = {**config, "search": chosen}
    with described_by(checkpoint):
        kind = model_class(config["task"]["_target_"])
        model = kind.from_config(config, parts["description"])
    if isinstance(search, Constraints):
        model.search = search
    weights = checkpoint["state_dict"]
    rename_weights(weights, kind.earlier_names)
    begin = "model."
    fill(
        model,
        {name[len(begin) :]: weights[name] for name in weights if name.startswith(begin)},
        checkpoint.get("folder", "the checkpoint"),
    )
    return model.eval()


def fill(net: nn.Module, weights: Mapping[str, Tensor], where: object) -> None:
    """Loads the weights. Raises UserError, naming ``where`` they come from and the first difference, unless
    they are those of the net.
    """
    own, wrong = net.state_dict(), ""
    if missing := [name for name in own if name not in weights]:
        wrong = f"{missing[0]} is missing"
    elif extra := [name for name in weights if name not in own]:
        wrong = f"{extra[0]} belongs to no part of the model"
    elif other := [name for name, value in weights.items() if value.shape != own[name].shape]:
        shapes = (tuple(one[other[0]].shape) for one in (weights, own))
        wrong = "{} has the shape {} instead of {}".format(other[0], *shapes)
    if wrong:
        raise UserError(f"{where}: the weights are not those of the model that its config describes: {wrong}")
    net.load_state_dict(weights)


@contextmanager
def described_by(checkpoint: Mapping[str, Any]) -> Iterator[None]:
    """Around building what a model folder describes: errors become UserErrors, as anything may be written in
    its JSON. Checkpoints are written by this project alone; their errors are bugs.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if "folder" not in checkpoint:
            raise
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{checkpoint['folder'] / MODEL} describes no model that can be built ({told}); get the folder "
            "anew"
        ) from error


def model_class(task: str) -> type[Model]:
    """The model class that a task, given by its ``_target_``, trains. A task is imported only if it is not in
    ``MODELS``. Raises UserError if it is not a task.
    """
    if task not in MODELS:
        return find(task, "task").model_class
    module, name = MODELS[task].split(".")
    return getattr(import_module(f"seq2scene.models.{module}"), name)


def _task(checkpoint: dict[str, Any]) -> str:
    return checkpoint["hyper_parameters"]["config"]["task"]["name"]


def without_pretrained(config: dict[str, Any]) -> dict[str, Any]:
    """The config without pretrained weights: the checkpoint has its own."""
    trunks = {key: config[key] for key in ("canvas", "image_encoder") if "weights" in config.get(key, {})}
    return {**config, **{key: {**trunk, "weights": "none"} for key, trunk in trunks.items()}}


def chosen_search(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The search that replaces the checkpoint's own: the chosen option of the ``search`` group with the
    checkpoint's length limits, or the checkpoint's own search with changed values; None if nothing was
    chosen.

    given: values by option, None if not set; has a ``_target_`` if an option of the group was chosen. config:
    the checkpoint's.

    Raises:
        UserError: the task does not search, or the search has no such option; the message says which search
            has it.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    if not chosen:
        return None
    if "search" not in config:
        raise UserError(f"search: has no meaning with task={config['task']['name']}; leave it out")
    own = config["search"]
    kept = {key: own[key] for key in LIMITS if key in own} if "_target_" in chosen else own
    search = {**kept, **chosen}
    known = {name: {field.name for field in fields(kind)} for name, kind in SEARCHES.items()}
    named = {f"{kind.__module__}.{kind.__qualname__}": name for name, kind in SEARCHES.items()}
    name = named.get(search.get("_target_", ""))  # None: another kind, whose options are checked on building
    for key in chosen if name else ():
        others = [other for other, options in known.items() if key in options]
        if others and name not in others:
            told = f"search.{key}={chosen[key]}: {name} search has no such option; use search={others[0]} too"
            raise UserError(told)
    return search


# A second model alongside the first, such as an inpainter for composites


def load_beside(option: str, path: str | Path, task: str) -> dict[str, Any]:
    """The checkpoint, or a run's best one, that ``option`` names for use alongside the main model.

    Raises:
        UserError: there is no such checkpoint, it is not of ``task``, or its weights are not finite.
    """
    found = find_checkpoint(path, "best.ckpt")
    checkpoint = load_checkpoint(found)
    own = _task(checkpoint)
    if own != task:
        raise UserError(f"{option}={found}: a checkpoint of task={own}; give one of task={task}")
    require_numbers(found, checkpoint)
    return checkpoint


def load_inpainter(path: str | Path, names: Sequence[str] | None = None) -> Model:
    """The ``Inpainter`` of a checkpoint, or of a run's best one.

    names: the object classes of the composites it will be given.

    Raises:
        UserError: there is no such checkpoint, or it is of another task or trained on other classes.
    """
    inpainter = model_of(load_beside("inpainter", path, "inpainting"))
    if names is not None:
        require_same_classes(inpainter.names, names, f"inpainter={path}")
    return inpainter


def require_same_classes(learnt: Sequence[str], names: Sequence[str], what: str) -> None:
    """Raises UserError, its message starting with ``what``, unless the object classes are the same."""
    if tuple(learnt) != tuple(names):
        raise UserError(
            f"{what}: its {len(learnt)} object classes differ from the {len(names)} of these "
            "scenes: train both on the same data"
        )


# Several checkpoints


def require_together(paths: Sequence[Path], checkpoints: Sequence[dict[str, Any]]) -> None:
    """Raises UserError unless the weights of all checkpoints are finite and their languages are the same."""
    for path, checkpoint in zip(paths, checkpoints, strict=True):
        require_numbers(path, checkpoint)
    for path, checkpoint in zip(paths[1:], checkpoints[1:], strict=True):
        require_same_languages(paths[0], checkpoints[0], path, checkpoint)


def require_same_languages(
    path: Path, checkpoint: dict[str, Any], other_path: Path, other: dict[str, Any]
) -> None:
    """Raises UserError naming the first difference unless both checkpoints are of one task, use the same
    tokens with the same ids, and write scenes of the same schema.
    """
    ours, theirs = checkpoint["hyper_parameters"], other["hyper_parameters"]
    together = f"{path} and {other_path} do not go together"
    tasks = [parts["config"]["task"]["_target_"] for parts in (ours, theirs)]
    if tasks[0] != tasks[1]:
        raise UserError(f"{together}: they are of different tasks, {tasks[0]} and {tasks[1]}")
    ours, theirs = ours["description"], theirs["description"]
    languages, other_languages = _languages(ours), _languages(theirs)
    for side in languages:
        vocabularies = [one[side]["vocabulary"] for one in (languages, other_languages)]
        if vocabularies[0] != vocabularies[1]:
            difference = _vocabulary_difference(*vocabularies)
            raise UserError(f"{together}: their {side} vocabularies differ: {difference}")
        if languages[side]["tokenizer"] != other_languages[side]["tokenizer"]:
            raise UserError(f"{together}: their {side} tokenizers differ")
    if "schema" in ours and _vocabulary_of_scenes(ours) != _vocabulary_of_scenes(theirs):
        raise UserError(f"{together}: their scenes have other object classes, attributes or grids")
    if ours.get("source_eos") != theirs.get("source_eos"):
        raise UserError(f"{together}: the sources of one end in EOS (data.source_eos), the other's do not")


def _languages(description: Mapping[str, Any]) -> dict[str, Any]:
    """The states of a model's languages: source, target, language, or that of the texts of scenes."""
    found = {side: description[side] for side in ("source", "target", "language") if side in description}
    return found | ({"text": description["texts"]["language"]} if "texts" in description else {})


def _vocabulary_of_scenes(description: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two models must share for one to read the scenes of the other."""
    schema = description["schema"]
    attributes = {name: head["classes"] for name, head in schema["heads"].items()}
    return tuple(schema["names"]), schema["grid"], tuple(schema["canvas"]), attributes


def _vocabulary_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The first difference between the states of two vocabularies, in words."""
    sizes = len(ours["tokens"]), len(theirs["tokens"])
    if sizes[0] != sizes[1]:
        return f"the first has {sizes[0]} tokens, the second {sizes[1]}"
    for number, (one, other) in enumerate(zip(ours["tokens"], theirs["tokens"], strict=True)):
        if one != other:
            return f"token {number} is {one!r} in the first and {other!r} in the second"
    return "their special symbols have other ids"
