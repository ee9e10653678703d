"""The base of all models: how they are built, the search they decode with, and how their methods run."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

import torch
from torch import nn

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.search.beam import Beam
from seq2scene.search.constraints import Constraints
from seq2scene.search.stepwise import Sample
from seq2scene.sequences.vocabulary import Vocabulary

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class Model(nn.Module):
    """A net together with what is needed to use it: vocabularies or a schema, and a search.

    config, description: the composed config and the data description it was built from, as plain containers;
    both empty for a model assembled by hand. kind: what such a model is called, by which commands choose what
    to do with it. fixed_statistics: modules that stay in evaluation mode when the model is trained, see
    ``fine_tuning.freeze``.
    """

    kind: ClassVar[str]
    earlier_names: ClassVar[dict[str, str]] = {"net.": ""}  # weight prefixes: in old checkpoints, and current

    def __init__(self, search: Constraints | None = None) -> None:
        super().__init__()
        self._search = search
        self.config: Mapping[str, Any] = {}
        self.description: Mapping[str, Any] = {}
        self.fixed_statistics: list[nn.Module] = []

    @classmethod
    def from_config(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        """An untrained model. Raises UserError if the config does not describe one."""
        model = cls._build(config, description)
        model.config, model.description = config, description
        if "search" in config:
            model.search = model.build_search(config["search"])
        return model

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        raise NotImplementedError

    @classmethod
    def ensemble(cls, members: Sequence[Self], average: str = "logits") -> Self:
        """Several models of this class that write together. average: see ``search.ensemble``.

        Raises UserError if such models cannot.
        """
        raise UserError(f"ckpt: {len(members)} models of the kind {cls.kind} cannot write together; give one")

    @property
    def search(self) -> Constraints:
        """How it decodes; may be replaced. Raises UserError if the model was given no search."""
        if self._search is None:
            raise UserError("this model has no search: give one, such as search=Greedy()")
        return self._search

    @search.setter
    def search(self, search: Constraints) -> None:
        self._search = search

    def build_search(self, settings: Mapping[str, Any], where: str = "search") -> Constraints:
        """The search described by a config. where: its key, for messages."""
        return build(settings, where)

    def word_parts(self) -> dict[str, tuple[str, Vocabulary]]:
        """The modules whose weights have a row for each word, by name: the language, as it is called in the
        description, and its vocabulary.
        """
        return {}

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.fixed_statistics:
            part.eval()
        return self

    @property
    def n_best(self) -> int:
        """The number of hypotheses that its search returns."""
        match self.search:
            case Beam():
                return self.search.n_best
            case Sample():
                return self.search.n_best or self.search.num_samples
        return 1

    def sampling(self, count: int, temperature: float, top_k: int, top_p: float) -> Sample:
        """A search that draws ``count`` outputs at random, within the limits of the model's own search."""
        return Sample(
            **self.search.shared(), temperature=temperature, top_k=top_k, top_p=top_p, num_samples=count
        )

    def require_attention(self, what: str) -> None:
        """Raises UserError, its message starting with ``what``, unless the decoder has attention."""
        if self.decoder.attention is None:
            raise UserError(f"{what}: this model has no attention")

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def verb(method: Callable[Concatenate[Model, P], R]) -> Callable[Concatenate[Model, P], R]:
    """Decorator: runs a model's method in evaluation mode and without gradients, whatever its mode."""

    @wraps(method)
    def run(self: Model, *arguments: P.args, **options: P.kwargs) -> R:
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return method(self, *arguments, **options)
        finally:
            self.train(training)

    return run


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, ``size`` at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draws from PyTorch's generators, seeded and afterwards as they were; None: simply go on drawing."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def with_n_best(search: Constraints, n_best: int) -> Constraints:
    """The same search, returning ``n_best`` hypotheses. Raises UserError if it can return only one."""
    match search:
        case Beam():
            return replace(search, n_best=n_best, size=max(search.size, n_best))
        case Sample(n_best=None):
            return replace(search, num_samples=n_best)
        case Sample():
            return replace(search, n_best=n_best, num_samples=max(search.num_samples, n_best))
    if n_best == 1:
        return search
    raise UserError(f"n_best={n_best}: greedy search finds one result; use search=beam or search=sample")


def as_asked(found: list[list[T]], single: bool, n_best: int) -> T | list[T] | list[list[T]]:
    """What a verb returns of the hypotheses of each input, best first: those of its one input if it was
    ``single``, and of each only the best if ``n_best`` is 1.
    """
    chosen = [row[0] for row in found] if n_best == 1 else found
    return chosen[0] if single else chosen


def with_parts(module: M, **parts: nn.Module) -> M:
    """A module like ``module`` with some of its submodules replaced; it shares all the others, and their
    parameters.
    """
    other = copy.copy(module)
    other._modules = {**module._modules, **parts}
    return other
