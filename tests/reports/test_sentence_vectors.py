"""Vectors of sentences: the encoder's last state, whatever the batch; and the plane they vary in."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seq2scene
from entry_points import run
from seq2scene.errors import UserError
from seq2scene.models.translator import CHUNK
from seq2scene.reports.text.sentence_vectors import principal_plane, read_sentences, write_sentence_vectors
from seq2scene.tasks.loading import load_task

pytestmark = pytest.mark.slow


def test_a_vector_is_all_h_and_all_c_of_its_sentence_whatever_the_batch(models) -> None:
    task = load_task([models.a])
    sentences = ["a b c", "", "c b a d e f"] + ["h"] * CHUNK
    vectors = torch.from_numpy(task.model.sentence_vectors(sentences))
    encoder = task.model.encoder
    assert vectors.shape == (len(sentences), 2 * encoder.rnn.num_layers * encoder.output_size)
    for text, vector in zip(sentences[:4], vectors[:4], strict=True):
        states = task.model.encode(task.source.batch([text])).final
        torch.testing.assert_close(vector, torch.cat([state.flatten() for state in states]))
    assert (vectors[1] == 0).all() and torch.equal(vectors[3], vectors[-1])


def test_the_order_of_words_moves_a_sentence(models) -> None:
    vectors = seq2scene.load(models.a).sentence_vectors(["a b c d", "d c b a", "a b c d"])
    assert np.array_equal(vectors[0], vectors[2]) and not np.allclose(vectors[0], vectors[1], atol=1e-3)


def test_the_plane_of_points_in_a_plane_is_theirs() -> None:
    """A flat cloud, turned into seven dimensions: its points come back up to the signs of the axes."""
    torch.manual_seed(0)
    flat = torch.randn(40, 2, dtype=torch.float64) * torch.tensor([5.0, 1.0])
    flat = flat - flat.mean(dim=0)
    flat = flat @ torch.linalg.eigh(flat.t() @ flat).eigenvectors.flip(1)  # to its own axes, longest first
    turned = torch.linalg.qr(torch.randn(7, 2, dtype=torch.float64)).Q
    points, shares = principal_plane(flat @ turned.t() + 3)
    torch.testing.assert_close(points.abs(), flat.abs())
    torch.testing.assert_close(shares, flat.square().sum(dim=0) / flat.square().sum())


def test_distances_never_grow_in_the_plane_and_the_axes_point_the_same_way_for_any_order() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(9, 30)
    points, shares = principal_plane(vectors)
    assert (torch.cdist(points, points) <= torch.cdist(vectors.double(), vectors.double()) + 1e-9).all()
    assert 0 < shares[1] <= shares[0] and shares.sum() < 1
    torch.testing.assert_close(principal_plane(vectors.flip(0))[0].flip(0), points)


def test_sentences_that_are_all_alike_lie_in_one_point() -> None:
    points, shares = principal_plane(torch.ones(3, 5))
    assert (points == 0).all() and (shares == 0).all()


def test_the_report_holds_vectors_places_and_a_picture(models, tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("a b c\tin order\nc b a\tturned\nzebra a\n", encoding="utf-8")
    task = load_task([models.a])
    write_sentence_vectors(task, read_sentences(str(tmp_path / "in.tsv"), task), tmp_path / "out")
    with np.load(tmp_path / "out" / "sentence_vectors.npz") as file:
        stored = dict(file)
    assert stored["sentences"].tolist() == ["a b c", "c b a", "zebra a"]
    assert stored["labels"].tolist() == ["in order", "turned", ""]
    vectors = task.model.sentence_vectors(["a b c", "c b a", "zebra a"])
    np.testing.assert_array_equal(stored["vectors"], vectors)
    with open(tmp_path / "out" / "sentence_vectors.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["label"], row["unknown"]) for row in rows] == [
        ("1", "in order", "0"),
        ("2", "turned", "0"),
        ("3", "", "1"),
    ]
    places = torch.tensor([[float(row["x"]), float(row["y"])] for row in rows], dtype=torch.float64)
    plane, _ = principal_plane(torch.from_numpy(stored["vectors"]))
    torch.testing.assert_close(places, plane, atol=1e-6, rtol=0)
    picture = np.asarray(Image.open(tmp_path / "out" / "sentence_vectors.png"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_what_has_no_vectors_is_refused(models, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a b\n")
    with pytest.raises(UserError, match=r"one has 1 sentences; .* takes 2 or more"):
        read_sentences(str(tmp_path / "one"), load_task([models.a]))
    with pytest.raises(UserError, match="sentence_vectors: the states of several models"):
        read_sentences(str(tmp_path / "one"), load_task([models.a, models.b]))
    with pytest.raises(UserError, match="/nowhere does not exist"):
        read_sentences("/nowhere", load_task([models.a]))


@pytest.mark.slow
def test_evaluation_writes_it_beside_the_scores(models, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a b c\nc b a\n")
    files = f"+data.tests.test=[{models.folder}/test.x,{models.folder}/test.y]"
    asked = [f"ckpt={models.a}", files, f"sentence_vectors={tmp_path}/in", "trainer.accelerator=cpu"]
    run("evaluate.py", *asked, work=tmp_path)
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert {f"sentence_vectors.{kind}" for kind in ("csv", "npz", "png")} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "metrics.json").is_file()
