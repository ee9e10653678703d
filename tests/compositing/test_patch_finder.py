"""The patch found is the nearest of its class, whatever is excluded."""

import subprocess
import sys

import faiss
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.compositing import patch_finder
from seq2scene.compositing.patch_finder import PatchFinder, box_vectors, stored_finder
from seq2scene.errors import UserError

pytestmark = pytest.mark.slow

PATCHES, PHOTOS, SIZE = 600, 60, 16
CLASSES = (3, 4, 4, 5, 5, 5, 5, 9)  # skewed
WITHOUT = 7


def some_patches(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    classes = torch.tensor(CLASSES)[torch.randint(len(CLASSES), (PATCHES,), generator=chance)]
    vectors = F.normalize(torch.randn(PATCHES, SIZE, generator=chance))
    return classes, vectors, torch.randint(PHOTOS, (PATCHES,), generator=chance)


def some_queries(count: int = 50, used: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(1)
    classes = torch.tensor(CLASSES)[torch.randint(len(CLASSES), (count,), generator=chance)]
    vectors = F.normalize(torch.randn(count, SIZE, generator=chance))
    taken = torch.randint(-1, PATCHES, (count, used), generator=chance)
    return classes, vectors, taken, torch.randint(-1, PHOTOS, (count,), generator=chance)


def clusters(count: int, queries: int) -> tuple[Tensor, Tensor]:
    """Vectors of patches and queries, of unit length, around the same centres."""
    chance = torch.Generator().manual_seed(2)
    centres = torch.randn(200, SIZE, generator=chance)
    places = torch.randint(200, (count + queries,), generator=chance)
    vectors = F.normalize(centres[places] + 0.3 * torch.randn(count + queries, SIZE, generator=chance))
    return vectors[:count], vectors[count:]


def brute_force(patches, classes, vectors, used, banned) -> Tensor:
    numbers = torch.arange(len(patches[0]))
    allowed = patches[0] == classes.unsqueeze(1)
    allowed &= ~(used.unsqueeze(2) == numbers).any(1)
    allowed &= patches[2] != banned.unsqueeze(1)
    there = patches[1].double()
    distances = torch.cdist(vectors.double(), there, compute_mode="donot_use_mm_for_euclid_dist")
    distances = distances.masked_fill(~allowed, torch.inf)
    return torch.where(allowed.any(1), distances.argmin(1), -1)


def nothing(rows: int) -> Tensor:
    return torch.empty(rows, 0, dtype=torch.long)


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_the_nearest_patch_of_a_small_class_is_found(kind):
    patches, (classes, vectors, used, banned) = some_patches(), some_queries()
    finder = PatchFinder(*patches, kind=kind, repeat=False)
    expected = brute_force(patches, classes, vectors, used, banned)
    assert finder.find(classes, vectors, used, banned).tolist() == expected.tolist()


def test_patches_repeat_unless_forbidden():
    patches, (classes, vectors, used, _) = some_patches(), some_queries()
    none, anywhere = nothing(len(classes)), torch.full_like(classes, -1)
    first = brute_force(patches, classes, vectors, none, anywhere)
    used[:, 2] = first
    assert PatchFinder(*patches).find(classes, vectors, used).tolist() == first.tolist()
    others = PatchFinder(*patches, repeat=False).find(classes, vectors, used)
    assert not (others.unsqueeze(1) == used).any()
    assert others.tolist() == brute_force(patches, classes, vectors, used, anywhere).tolist()


def test_patches_of_a_banned_photo_are_never_found():
    patches, (classes, vectors, used, _) = some_patches(), some_queries()
    finder = PatchFinder(*patches)
    first = finder.find(classes, vectors, used)
    banned = patches[2][first]
    others = finder.find(classes, vectors, used, banned)
    assert (patches[2][others] != banned).all()
    assert others.tolist() == brute_force(patches, classes, vectors, nothing(50), banned).tolist()


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_the_last_patch_that_is_left_is_found(kind, monkeypatch):
    monkeypatch.setattr(patch_finder, "SMALL", 100)  # so that the index is approximate
    monkeypatch.setattr(patch_finder, "PROBED", 1)
    classes, vectors, photos = some_patches()
    classes[:] = 3
    photos[:] = 0
    finder = PatchFinder(classes, vectors, photos, kind, repeat=False)
    left = torch.tensor([17, 400, -1])
    used = torch.arange(PATCHES).repeat(3, 1)
    used[used == left.unsqueeze(1)] = -1
    assert finder.find(classes[:3], vectors[:3], used).tolist() == left.tolist()


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_a_photo_of_all_patches_but_one_can_be_banned(kind, monkeypatch):
    monkeypatch.setattr(patch_finder, "SMALL", 100)
    monkeypatch.setattr(patch_finder, "PROBED", 1)
    classes, vectors, photos = some_patches()
    classes[:] = 3
    photos[:] = 0
    photos[400] = 1
    found = PatchFinder(classes, vectors, photos, kind).find(classes[:1], vectors[:1], nothing(1), photos[:1])
    assert found.tolist() == [400]


def test_a_class_without_patches_yields_minus_one():
    patches, (classes, vectors, used, _) = some_patches(), some_queries()
    classes[::3] = WITHOUT
    found = PatchFinder(*patches).find(classes, vectors, used)
    assert ((found == -1) == (classes == WITHOUT)).all()
    patches[0][:] = WITHOUT + 1
    assert (PatchFinder(*patches).find(classes, vectors, used) == -1).all()


def test_ties_go_to_the_lowest_number(monkeypatch):
    monkeypatch.setattr(patch_finder, "CHUNK", 1000)
    classes, vectors, photos = some_patches()
    classes[:] = 3
    vectors[100:] = vectors[100:101]  # more than are requested at once
    finder = PatchFinder(classes, vectors, photos, repeat=False)
    used = torch.full((40, 2), -1)
    used[20:] = torch.tensor([101, 100])
    found = finder.find(classes[:40], vectors[100:101].expand(40, -1), used)
    assert found.tolist() == [100] * 20 + [102] * 20


def test_patches_closer_than_faiss_resolves_are_distinguished(monkeypatch):
    monkeypatch.setattr(
        faiss.cvar, "distance_compute_blas_threshold", 20
    )  # the less exact way from 20 rows on
    chance = torch.Generator().manual_seed(0)
    vectors, asked = (6 + 0.01 * torch.rand(rows, SIZE, generator=chance) for rows in (2000, 40))
    patches = torch.full((2000,), 3), vectors, torch.arange(2000)
    queries = torch.full((40,), 3), asked, nothing(40), torch.full((40,), -1)
    assert PatchFinder(*patches).find(*queries).tolist() == brute_force(patches, *queries).tolist()


def test_a_box_is_its_size_and_shape():
    boxes = torch.tensor([[0.3, 0.4, 1.0, 0.5], [0.9, 0.1, 1.0, 0.5]])
    expected = torch.tensor([0.0, -0.6931472])
    torch.testing.assert_close(box_vectors(boxes), expected.expand(2, 2))


def test_an_approximate_finder_finds_nine_of_ten():
    vectors, asked = clusters(20_000, 500)
    classes, photos = torch.full((20_000,), 3), torch.arange(20_000) // 8
    rows = torch.full((500,), 3)
    found = {
        kind: PatchFinder(classes, vectors, photos, kind).find(rows, asked, nothing(500))
        for kind in ("exact", "approximate")
    }
    assert (found["exact"] == found["approximate"]).double().mean() > 0.9


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_a_loaded_finder_finds_the_same(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(patch_finder, "SMALL", 100)
    patches, queries = some_patches(), some_queries()
    finder = PatchFinder(*patches, kind=kind, repeat=False)
    finder.save(tmp_path)
    loaded = PatchFinder.load(tmp_path, repeat=False)
    assert loaded.find(*queries).tolist() == finder.find(*queries).tolist()


def test_a_stored_finder_is_built_once_for_the_same_patches(monkeypatch, tmp_path):
    patches, queries = some_patches(), some_queries()
    first = stored_finder(*patches, tmp_path, "approximate").find(*queries)
    monkeypatch.setattr(patch_finder, "_index", None)  # nothing is built any more
    assert stored_finder(*patches, tmp_path, "approximate").find(*queries).tolist() == first.tolist()
    monkeypatch.undo()
    for changed in range(3):
        others = list(some_patches())
        others[changed] = some_patches(seed=5)[changed]
        found = stored_finder(*others, tmp_path, "approximate").find(*queries)
        assert found.tolist() == PatchFinder(*others).find(*queries).tolist()
    assert len(list((tmp_path / "patch_finders").glob("*/patches.pt"))) == 4


def test_interrupted_work_leaves_nothing_behind(tmp_path):
    patches, queries = some_patches(), some_queries()
    stored_finder(*patches, tmp_path, "approximate")
    (place,) = (tmp_path / "patch_finders").glob("*/")
    place.rename(place.with_suffix(".draft"))
    found = stored_finder(*patches, tmp_path, "approximate").find(*queries)
    assert found.tolist() == PatchFinder(*patches).find(*queries).tolist()
    assert list((tmp_path / "patch_finders").glob("*/")) == [place]


def test_an_unknown_kind_is_refused(tmp_path):
    message = "retrieval.kind=annoy is not a choice; choose one of exact, approximate"
    with pytest.raises(UserError, match=message):
        PatchFinder(*some_patches(), kind="annoy")
    with pytest.raises(UserError, match=message):
        stored_finder(*some_patches(), tmp_path, kind="annoy")


@pytest.mark.parametrize("content", [b"", b"no index"])
@pytest.mark.parametrize("file", ["patches.pt", "4.faiss"])
def test_a_damaged_file_is_named(file, content, tmp_path):
    PatchFinder(*some_patches()).save(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path}: a file of this patch finder is damaged"):
        PatchFinder.load(tmp_path)


def test_a_folder_without_a_finder_is_refused(tmp_path):
    with pytest.raises(UserError, match="no patch finder was saved here"):
        PatchFinder.load(tmp_path / "nowhere")


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/patch_finders cannot be written .*set data.cache"):
        stored_finder(*some_patches(), tmp_path / "file", "approximate")


def test_faiss_uses_as_many_threads_as_torch():
    """In a fresh process that imports faiss first: otherwise it shares torch's OpenMP."""
    code = """import faiss, torch
from seq2scene.compositing.patch_finder import PatchFinder
numbers = torch.zeros(1, dtype=torch.long)
finder = PatchFinder(numbers, torch.zeros(1, 2), numbers)
for threads in (2, 1):
    torch.set_num_threads(threads)
    finder.find(numbers, torch.zeros(1, 2), numbers.unsqueeze(1))
    print(torch.get_num_threads(), faiss.omp_get_max_threads())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2", "1", "1"]


@pytest.mark.gpu
def test_results_are_on_the_device_of_the_classes():
    patches, queries = some_patches(), some_queries()
    finder = PatchFinder(*patches)
    found = finder.find(*(tensor.cuda() for tensor in queries))
    assert found.is_cuda and found.tolist() == finder.find(*queries).tolist()
