"""ONNX graphs of translators: the numbers of PyTorch, without PyTorch."""

from pathlib import Path

import pytest
import torch

import seq2scene
from entry_points import run
from seq2scene.errors import UserError
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.gnmt_decoder import GNMTDecoder
from seq2scene.running.onnx_export import CLOSE, export_onnx
from seq2scene.search.stepwise import Greedy
from small_translators import ATTENTIONS, small_language_model, translator

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
CASES = [  # any two choices meet
    (attention, feeding, ("lstm", "gru")[(number + feeding) % 2])
    for number, attention in enumerate(ATTENTIONS)
    for feeding in (True, False)
]


def greedy(model: Translator, folder: Path, text: str, limit: int) -> list[str]:
    """The search that docs/onnx.md shows."""
    page, shown = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8"), {}
    exec(page.partition("```python\n")[2].partition("```")[0], shown)
    words = model.target.vocabulary
    found = shown["greedy"](folder, model.source.encode(text), words.bos, words.eos, limit)
    return words.tokens(found)


@pytest.mark.slow
@pytest.mark.parametrize(("attention", "feeding", "cell"), CASES)
def test_a_search_over_the_graphs_writes_what_the_model_writes(attention, feeding, cell, tmp_path) -> None:
    options = {"cell": cell, "layers": {"lstm": 1, "gru": 2}[cell], "input_feeding": feeding}
    model = translator(LuongDecoder, attention, {"bidirectional": True}, **options).float()
    with torch.no_grad():
        model.decoder.output.bias[:4] -= 20  # so that words are written, and no special symbol
    said = export_onnx(model, tmp_path)
    assert float(said.split()[-1]) <= CLOSE
    for text in ("a", "f e d c b a b c"):
        words = model.translate(text, search=Greedy(max_length=7)).words
        assert words and greedy(model, tmp_path, text, 7)[: len(words)] == list(words)


@pytest.mark.slow
def test_other_decoders_and_encoders_come_out_too(tmp_path: Path) -> None:
    options = {"layers": 2, "encoder": {"reverse_source": True, "packing": "gather"}}
    assert "differ from PyTorch" in export_onnx(translator(GNMTDecoder, **options).float(), tmp_path)


def test_what_translates_nothing_has_no_graphs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only translators are written as ONNX; this is a language model"):
        export_onnx(small_language_model(), tmp_path)


@pytest.mark.slow
def test_the_command_writes_both_graphs_into_the_folder(models, tmp_path: Path) -> None:
    said = run("export.py", f"ckpt={models.a}", "to=mine", "onnx=true", work=tmp_path)
    assert "encoder.onnx and step.onnx differ from PyTorch by at most" in said
    model = seq2scene.load(tmp_path / "mine")
    words = model.translate("a b c d", search=Greedy(max_length=20)).words
    assert greedy(model, tmp_path / "mine", "a b c d", 20) == list(words)
