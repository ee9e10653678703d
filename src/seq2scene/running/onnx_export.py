"""A translator as two ONNX graphs, for programs without PyTorch: the encoder, and a step of the decoder.

``encoder.onnx`` reads one sentence: ids (1, S) -> states (1, S, D), keys (1, S, K) and the decoder's first
state, state_0, state_1 ... with one row each. ``step.onnx`` writes one word of each of N hypotheses of that
sentence: previous (N,) ids, states, keys and the state of N rows -> log_probs (N, V), weights (N, S) if the
model has attention, and the next state, next_0, next_1 ...
"""

import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from seq2scene.errors import UserError
from seq2scene.models.ensemble import Ensemble
from seq2scene.models.model import Model
from seq2scene.models.translator import Translator
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.memory import Memory

ENCODER, STEP = "encoder.onnx", "step.onnx"
CLOSE = 1e-5  # largest difference from PyTorch that is accepted
CHECKED = ((1, 1), (4, 3), (17, 5))  # words of a source and hypotheses, for comparison
OPSET = 17


class Encoder(nn.Module):
    """ids (1, S) -> states, keys and the tensors of the decoder's first state."""

    def __init__(self, model: Translator) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        mask = torch.ones_like(ids, dtype=torch.bool)
        memory = self.model.encode(Sentences(ids, mask, mask.sum(1)))
        return memory.states, memory.keys, *tree_flatten(self.model.decoder.start(memory))[0]


class Step(nn.Module):
    """previous (N,), states, keys and the tensors of a state -> log_probs (N, V), weights (N, S) if there are
    any, and the tensors of the next state. nesting: of a state.
    """

    def __init__(self, model: Translator, nesting: TreeSpec) -> None:
        super().__init__()
        self.model, self.nesting = model, nesting

    def forward(self, previous: Tensor, states: Tensor, keys: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        mask = torch.ones_like(states[:, :, 0], dtype=torch.bool)
        memory = Memory(states, keys, mask, mask.sum(1), ())
        state = tree_unflatten(leaves, self.nesting)
        features, state, weights, _ = self.model.decoder.step(previous, state, memory)
        log_probs = self.model.decoder.output(features).log_softmax(1)
        return log_probs, *([] if weights is None else [weights]), *tree_flatten(state)[0]


def export_onnx(model: Model, folder: Path) -> str:
    """Writes both graphs into the folder, compares them with PyTorch on sources and hypotheses of several
    sizes, and returns a line that tells the largest difference.

    Raises UserError if the model is no translator, the packages are missing, or a difference is above
    ``CLOSE``.
    """
    if not isinstance(model, Translator) or isinstance(model, Ensemble):
        raise UserError(f"onnx: only translators are written as ONNX; this is a {model.kind}; leave it out")
    for package in ("onnx", "onnxruntime"):
        try:
            import_module(package)
        except ImportError:
            raise UserError(f"onnx=true needs the package {package}: pip install 'seq2scene[onnx]'") from None
    model = model.cpu()
    with torch.no_grad():
        ids = torch.full((1, 4), model.source.vocabulary.unk)
        encoder = Encoder(model).eval()
        states, keys, *first = encoder(ids)
        start = model.decoder.start(model.encode(Sentences.of(ids, torch.tensor([4]))))
        step = Step(model, tree_flatten(start)[1]).eval()  # the exporter restores the mode of these two
        names = [f"state_{number}" for number in range(len(first))]
        words = {1: "words"}
        _write(
            encoder,
            (ids,),
            folder / ENCODER,
            ["ids"],
            ["states", "keys", *names],
            dict.fromkeys(("ids", "states", "keys"), words),
        )
        rows = [leaf.expand(2, *leaf.shape[1:]).contiguous() for leaf in first]
        told = ["log_probs", *(["weights"] if model.decoder.attention is not None else [])]
        after = [f"next_{number}" for number in range(len(first))]
        axes = {"states": words, "keys": words, "weights": {0: "hypotheses", 1: "words"}}
        axes |= {name: {0: "hypotheses"} for name in ("previous", "log_probs", *names, *after)}
        inputs = ["previous", "states", "keys", *names]
        previous = torch.full((2,), model.target.vocabulary.bos)
        _write(step, (previous, states, keys, *rows), folder / STEP, inputs, [*told, *after], axes)
        worst = max(_differences(model, encoder, step, folder))
    if worst > CLOSE:
        raise UserError(f"onnx: the graphs differ from the model by {worst:.1g}, more than {CLOSE:g}")
    return f"{ENCODER} and {STEP} differ from PyTorch by at most {worst:.1g}"


def _write(
    net: nn.Module,
    arguments: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Traces the net. PyTorch's newer exporter takes minutes, and fixes the sizes of outputs."""
    known = {name: sizes for name, sizes in axes.items() if name in (*inputs, *outputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            arguments,
            str(path),
            dynamo=False,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=known,
            opset_version=OPSET,
        )


def _differences(model: Translator, encoder: Encoder, step: Step, folder: Path) -> Iterator[float]:
    """The largest difference of each output from PyTorch's, for random words and random states."""
    onnxruntime = import_module("onnxruntime")
    sessions = [
        onnxruntime.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
        for name in (ENCODER, STEP)
    ]
    random = torch.Generator().manual_seed(0)
    for words, hypotheses in CHECKED:
        ids = torch.randint(4, max(len(model.source.vocabulary), 5), (1, words), generator=random)
        states, keys, *first = encoder(ids)
        previous = torch.randint(len(model.target.vocabulary), (hypotheses,), generator=random)
        rows = [leaf.expand(hypotheses, *leaf.shape[1:]).contiguous() for leaf in first]
        graphs: list[tuple[Any, Any, tuple[Tensor, ...]]] = [
            (encoder, sessions[0], (ids,)),
            (step, sessions[1], (previous, states, keys, *rows)),
        ]
        for net, session, arguments in graphs:
            for _ in range(3 if net is step else 1):  # from the first state and from later ones
                wanted = net(*arguments)
                found = _run(session, net, arguments)
                for one, other in zip(wanted, found, strict=True):
                    yield float((one - torch.from_numpy(other)).abs().max())
                arguments = (*arguments[:3], *wanted[len(wanted) - len(rows) :])


def _run(session: Any, net: nn.Module, arguments: Sequence[Tensor]) -> list[Any]:
    names = ["ids"] if isinstance(net, Encoder) else ["previous", "states", "keys"]
    names += [f"state_{number}" for number in range(len(arguments) - len(names))]
    values = dict(zip(names, (one.numpy() for one in arguments), strict=True))
    return session.run(None, {one.name: values[one.name] for one in session.get_inputs()})
