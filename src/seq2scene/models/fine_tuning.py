"""Fine-tuning: a model that starts from the weights of another one or from pretrained word vectors, and of
which only some parameters are trained. Parameters are chosen by patterns of their names, as in a shell:
``encoder.*`` is everything in the encoder.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.models.model import Model

SHOWN = 12  # names listed in a message


def parameter_names(model: nn.Module) -> list[str]:
    """The names of all parameters; one that is shared has several."""
    return [name for name, _ in model.named_parameters(remove_duplicate=False)]


def matching(model: nn.Module, pattern: str, key: str) -> list[str]:
    """The names of the parameters that a pattern matches. Raises UserError, naming ``key``, for none."""
    names = parameter_names(model)
    if found := [name for name in names if fnmatchcase(name, pattern)]:
        return found
    raise UserError(f"{key}: {pattern} matches none of the model's parameters: {', '.join(names)}")


def freeze(model: Model, patterns: Sequence[str]) -> int:
    """Excludes the parameters that any of the patterns matches from training; returns how many values remain
    trainable.

    Batch normalisation whose parameters are frozen uses its running statistics and no longer updates them, so
    that a frozen part stays as it is, bit for bit. Dropout stays on, as in the rest of the model.

    Raises UserError for a pattern that matches nothing, and if nothing is left to train.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for pattern in patterns:
        for name in matching(model, pattern, "freeze"):
            parameters[name].requires_grad_(False)
    left = sum(value.numel() for value in model.parameters() if value.requires_grad)
    if patterns and not left:
        raise UserError(f"freeze=[{','.join(patterns)}]: nothing is left to train")
    if patterns:
        model.fixed_statistics = [part for part in model.modules() if _is_frozen_batch_norm(part)]
        model.train(model.training)
    return left


def _is_frozen_batch_norm(part: nn.Module) -> bool:
    own = list(part.parameters(recurse=False))
    return bool(own) and hasattr(part, "running_mean") and not any(value.requires_grad for value in own)


@torch.no_grad()
def take_weights(model: Model, other: Model, keep: Iterable[str] = ()) -> list[str]:
    """Copies into ``model`` the weights of ``other`` that have the same name and shape; where a weight has a
    row for each word, the rows of the words that both know, by spelling. All others stay as they are.

    keep: prefixes of the names of weights that stay as they are.

    Returns messages on what was taken and what was not. Raises UserError if nothing fits.
    """
    words, kept = model.word_parts(), tuple(keep)
    rows = {
        part: vocabulary.shared(other.word_parts()[part][1])
        for part, (_, vocabulary) in words.items()
        if part in other.word_parts()
    }
    own, theirs = model.state_dict(), other.state_dict()
    taken, left, differing = [], [], 0
    for name, value in own.items():
        found, part = theirs.get(name), name.rpartition(".")[0]
        if name.startswith(kept):
            differing += found is not None and not torch.equal(found, value)
            continue
        if found is None:
            left.append(f"{name} (only here)")
        elif part in rows and found.shape[1:] == value.shape[1:]:
            here, there = rows[part]
            value[here] = found[there].to(value)
            taken.append(name)
        elif part not in rows and found.shape == value.shape:
            value.copy_(found)
            taken.append(name)
        else:
            left.append(f"{name} {_shape(value)}, there {_shape(found)}")
    if not taken:
        raise UserError(
            f"none of its weights has a name and shape of this {model.kind}: it is a {other.kind} with "
            f"{_listed(list(theirs))}"
        )
    sizes = [sum(own[name].numel() for name in names) for names in (taken, own)]
    told = [f"{len(taken)} of {len(own)} weights are taken, of {sizes[0]:,} of {sizes[1]:,} values"]
    for part, (language, vocabulary) in words.items():
        if part in rows and not any(line.startswith(f"{language} words") for line in told):
            known = len(rows[part][0]) - 4
            told.append(f"{language} words: {known} of {len(vocabulary) - 4} are known there")
    names = [one.schema.names for one in (model, other) if getattr(one, "schema", None) is not None]
    if len(names) == 2 and names[0] != names[1]:
        told.append("the object classes differ there; weights of classes are taken by their number")
    if left:
        told.append(f"left as initialised ({len(left)}): {_listed(left)}")
    if differing:
        told.append(f"{differing} weights of {', '.join(kept)} differ there and are not taken")
    if unused := [name for name in theirs if name not in own]:
        told.append(f"not used, as they are only there ({len(unused)}): {_listed(unused)}")
    return told


@torch.no_grad()
def take_word_vectors(model: Model, language: str, vectors: Tensor, key: str) -> None:
    """Initialises the embeddings of a language (as in ``Model.word_parts``) with word vectors (V, E); a word
    without one, whose row is zero, keeps its initial values.

    Raises UserError, naming ``key``, if the model has embeddings of another size.
    """
    has = vectors.any(dim=1)
    for part, (of, _) in model.word_parts().items():
        embedding = model.get_submodule(part)
        if of != language or not isinstance(embedding, nn.Embedding):
            continue
        if embedding.embedding_dim != vectors.shape[1]:
            raise UserError(
                f"{key}: its vectors have {vectors.shape[1]} numbers, but {part} has "
                f"{embedding.embedding_dim}: set model.{part.split('.')[0]}.embedding_size={vectors.shape[1]}"
            )
        embedding.weight[has] = vectors[has].to(embedding.weight)


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "single"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
