import gzip
import logging
import time
from itertools import chain
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from seq2scene.data.text.parallel_text import ParallelText, ParkText
from seq2scene.errors import UserError

PAIRS = [
    ("a dog runs", "ein Hund läuft"),
    ("the dog sleeps", "der Hund schläft"),
    ("a girl holds a red ball", "ein Mädchen hält einen roten Ball"),
    ("the ball is red", "der Ball ist rot"),
    ("the girl runs", "das Mädchen läuft"),
] * 5


def write_pairs(folder: Path, name: str, pairs: list[tuple[str, str]]) -> None:
    for side, language in enumerate(("en", "de")):
        (folder / f"{name}.{language}").write_text("".join(pair[side] + "\n" for pair in pairs))


@pytest.fixture
def root(tmp_path) -> Path:
    write_pairs(tmp_path, "train", PAIRS)
    write_pairs(tmp_path, "val", [*PAIRS[:3], ("", ""), ("a zebra", "ein Zebra")])
    write_pairs(tmp_path, "test", PAIRS[2:5])
    return tmp_path


def parallel(root: Path, **settings) -> ParallelText:
    files = {name: [f"{name}.en", f"{name}.de"] for name in ("train", "val", "test")}
    settings = {"batch_size": 2, "cache": str(root / "cache"), "tests": {"test": files["test"]}, **settings}
    return ParallelText(
        train=files["train"], val=files["val"], source="en", target="de", root=str(root), **settings
    )


def ready(root: Path, **settings) -> ParallelText:
    data = parallel(root, **settings)
    data.prepare_data()
    data.setup()
    return data


def test_batches_decode_to_the_lines_of_the_files(root):
    data = ready(root)
    source, target = data.languages
    for batch in data.train_dataloader():
        for row, line in enumerate(batch.lines.tolist()):
            assert source.decode(batch.source.ids[row]) == data.sources("train")[line]
            assert target.decode(batch.target.ids[row]) == data.references("train")[line]


def test_validation_and_test_keep_every_line_empty_ones_too(root):
    data = ready(root)
    for name, loader in zip(
        ["val", *data.test_names], [data.val_dataloader(), *data.test_dataloader()], strict=True
    ):
        lines = torch.cat([batch.lines for batch in loader])
        assert sorted(lines.tolist()) == list(range(len(data.references(name))))
        for batch in loader:
            assert list(batch.references) == [data.references(name)[i] for i in batch.lines]
    assert data.sources("val")[3] == data.references("val")[3] == ""


def test_training_leaves_out_empty_and_long_pairs_and_says_so(root, caplog):
    write_pairs(root, "train", [*PAIRS, ("", "leer"), ("empty", ""), ("long " * 9, "lang")])
    data = ready(root, max_length=5)
    with caplog.at_level(logging.INFO):
        lines = torch.cat([batch.lines for batch in data.train_dataloader()])
    left_out = {2, 7, 12, 17, 22, 25, 26, 27}
    assert sorted(lines.tolist()) == [i for i in range(28) if i not in left_out]
    assert "training on 20 of 28 pairs: 2 are empty on a side, 6 are longer than 5 tokens" in caplog.text
    assert ready(root, max_length=None)._training_rows().tolist() == [*range(25), 27]


def test_padding_efficiency_is_reported(root, caplog):
    data = ready(root)
    with caplog.at_level(logging.INFO):
        data.train_dataloader()
    assert "real tokens fill" in caplog.text
    assert 0.5 < data.padding_efficiency["source"] <= 1
    assert 0.5 < data.padding_efficiency["target"] <= 1


def test_nothing_left_to_train_on_is_refused(root):
    with pytest.raises(UserError, match="no training pair is left: of 25, 0 are empty"):
        ready(root, max_length=1).train_dataloader()


@pytest.mark.parametrize("by", ["sentences", "tokens"])
def test_source_eos_is_an_option(root, by):
    data = ready(root, source_eos=True, batch_by=by, batch_size=20)
    eos = data.languages[0].vocabulary.eos
    for batch in data.train_dataloader():
        last = batch.source.ids.gather(1, batch.source.lengths[:, None] - 1)
        assert (last == eos).all()
    assert (data.source_batch(["a dog"]).ids[0, -1] == eos).all()
    assert not (ready(root).source_batch(["a dog"]).ids == eos).any()


def test_settings_may_differ_between_the_sides(root):
    data = ready(root, tokenizer=["character", "bpe"], lowercase=[True, False], vocabulary_size=29)
    source, target = data.languages
    assert source.tokens(source.encode("Dog")) == ["d", "o", "g"]
    assert target.decode(target.encode("ein Hund")) == "ein Hund"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_count", [1]),
        ("max_size", []),
        ("bpe_dropout", [0.1]),
        ("tokenizer", ["bpe", "bpe", "moses"]),
        ("word_vectors", ["x"]),
        ("lowercase", [True]),
        ("vocabulary_size", [29, 30, 31]),
    ],
)
def test_a_list_has_a_value_for_each_side(root, name, value):
    with pytest.raises(UserError) as refusal:
        parallel(root, **{name: value})
    assert str(refusal.value) == f"data.{name}={value}: give one value or two values: source, target"


def test_a_shared_vocabulary_knows_the_words_of_both_sides(root):
    data = ready(root, shared_vocabulary=True)
    source, target = data.languages
    assert source.vocabulary is target.vocabulary
    assert "dog" in target.vocabulary and "Hund" in source.vocabulary


def test_a_description_survives_a_safe_checkpoint_and_gives_the_same_ids(root):
    data = ready(root, tokenizer="bpe", vocabulary_size=29, source_eos=True)
    torch.save(data.description(), root / "description.pt")
    description = torch.load(root / "description.pt", weights_only=True)
    (root / "train.en").unlink()

    again = parallel(root)
    again.use(description)
    again.prepare_data()
    again.setup("test")
    assert again.description() == data.description()
    ((first,), (second,)) = data.test_dataloader()[0], again.test_dataloader()[0]
    assert torch.equal(first.source.ids, second.source.ids)
    assert torch.equal(first.target.ids, second.target.ids)


def test_missing_files_are_refused_with_the_command_that_gets_them(root):
    files = {
        "train": ["train.en", "train.de"],
        "val": ["v", "v"],
        "tests": {},
        "source": "en",
        "target": "de",
    }
    fetch = "python src/prepare.py data=x"
    with pytest.raises(UserError, match=rf"nowhere/train.en does not exist: fetch it with `{fetch}`"):
        ParallelText(**files, root="/nowhere", fetch=fetch).prepare_data()
    with pytest.raises(UserError, match=r"nowhere/train.en does not exist: place it by hand"):
        ParallelText(**files, root="/nowhere", fetch="place it by hand").prepare_data()


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_lost_line_is_refused_before_anything_is_built(root, name):
    lines = (root / f"{name}.de").read_text().split("\n")
    (root / f"{name}.de").write_text("\n".join(lines[1:]))
    with pytest.raises(UserError, match=rf"{name}\.en has no partner in .*{name}\.de"):
        ready(root)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"tests": {"val": ["a", "b"]}},
        {"tests": {"news": ["only.en"]}},
        {"tokenizer": "spacy"},
    ],
)
def test_settings_that_cannot_work_are_refused(root, settings):
    with pytest.raises(UserError):
        ready(root, **settings)


@pytest.mark.parametrize("share", [200, 0.1])
def test_nothing_is_held_out_of_parallel_text(root, share):
    said = (
        rf"^data\.tests\.mine={share}: nothing is held out of parallel text; give data\.tests\.mine=\[source"
    )
    with pytest.raises(UserError, match=said):
        parallel(root, tests={"mine": share})


@pytest.mark.parametrize("names", ["ab", "a.en,b.de"])
def test_a_text_is_no_pair_of_files(root, names):
    with pytest.raises(UserError, match=rf"mine must be \[source file, target file\], not {names}"):
        parallel(root, tests={"mine": names})


class Recorder(pl.LightningModule):
    """Writes down which lines it was trained on."""

    def __init__(self, asks_for_length: bool = False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.asks_for_length = asks_for_length
        self.seen: list[tuple[int, int, list[int]]] = []

    def training_step(self, batch, index):
        self.seen.append((self.current_epoch, index, batch.lines.tolist()))
        return self.weight * batch.target.lengths.sum()

    def validation_step(self, batch, index):
        self.log("loss", self.weight, batch_size=len(batch))

    def configure_optimizers(self):
        if self.asks_for_length:
            assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data: ParallelText, folder: Path, model: Recorder, ckpt: Path | None = None, **checkpoints) -> list:
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=[pl.callbacks.ModelCheckpoint(folder, "{epoch}-{step}", save_top_k=-1, **checkpoints)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, data, ckpt_path=ckpt, weights_only=True)
    return model.seen


CHECKPOINTS = [
    {"every_n_train_steps": 1},
    {"every_n_epochs": 1, "save_on_train_epoch_end": True},
    {"every_n_epochs": 1, "save_on_train_epoch_end": False},
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.parametrize("asks_for_length", [False, True])
@pytest.mark.parametrize("when", CHECKPOINTS)
def test_a_resumed_run_trains_on_exactly_the_batches_left(root, when, asks_for_length):
    whole = fit(ready(root), root / "run", Recorder(asks_for_length), **when)
    assert len(whole) == 3 * 13
    written = list((root / "run").glob("*.ckpt"))
    assert len(written) >= 3
    for checkpoint in sorted(written)[:: max(len(written) // 9, 1)]:
        step = torch.load(checkpoint, weights_only=True)["global_step"]
        left = fit(ready(root), root / "run", Recorder(asks_for_length), checkpoint, **when)
        assert [lines for *_, lines in left] == [lines for *_, lines in whole[step:]]


def test_every_epoch_of_a_run_has_its_own_order_and_all_pairs(root):
    seen = fit(ready(root), root / "run", Recorder(), every_n_epochs=1)
    epochs = [[lines for epoch, _, lines in seen if epoch == e] for e in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    for batches in epochs:
        assert sorted(chain.from_iterable(batches)) == list(range(25))


@pytest.mark.slow
def test_the_park_is_written_on_first_use_and_read_like_any_text(tmp_path):
    data = ParkText(
        train=["train.en", "train.fr"], val=["val.en", "val.fr"], tests={"test": ["test.en", "test.fr"]},
        source="en", target="fr", park={"train": 60, "val": 9, "test": 9},
        root=str(tmp_path / "park"), cache=str(tmp_path / "cache"), tokenizer="moses", lowercase=True,
    )  # fmt: skip
    data.prepare_data()
    data.setup()
    assert len(data.sources("train")) == 60
    assert len(data.test_dataloader()[0]) > 0


def multi30k(shared_data: Path, cache: Path, **settings) -> ParallelText:
    def files(split: str) -> list[str]:
        return [f"tok/{split}.lc.norm.tok.{language}.gz" for language in ("en", "de")]

    data = ParallelText(
        train=files("train"),
        val=files("val"),
        tests={name: files(name) for name in ("test_2016_flickr", "test_2017_flickr")},
        source="en",
        target="de",
        root=str(shared_data / "multi30k"),
        min_count=2,
        cache=str(cache),
        **settings,
    )
    data.prepare_data()
    data.setup()
    return data


def test_multi30k_is_read_as_published(shared_data, tmp_path):
    data = multi30k(shared_data, tmp_path)
    assert [len(language.vocabulary) for language in data.languages] == [5921, 7859]
    assert [len(data.references(name)) for name in ("train", "val", *data.test_names)] == [
        *(29000, 1014, 1000, 1000)
    ]
    batches = data.train_dataloader()
    assert len(batches) == 454
    assert sum(int(batch.target.mask.sum()) for batch in batches) == 360706 + 29000
    assert data.padding_efficiency["target"] > 0.98
    unk = data.languages[0].vocabulary.unk
    test = data.corpora["test_2016_flickr"][0]
    assert round(100 * float((test.ids == unk).mean()), 2) == 1.65  # counted with EOS


def test_multi30k_loads_from_its_cache_at_once(shared_data, tmp_path):
    multi30k(shared_data, tmp_path)
    start = time.perf_counter()
    multi30k(shared_data, tmp_path)
    assert time.perf_counter() - start < 2


def test_a_gzipped_corpus_with_one_line_missing_is_refused(shared_data, tmp_path):
    folder = tmp_path / "multi30k" / "tok"
    folder.mkdir(parents=True)
    for file in (shared_data / "multi30k" / "tok").iterdir():
        (folder / file.name).symlink_to(file)
    broken = folder / "val.lc.norm.tok.de.gz"
    lines = gzip.decompress(broken.read_bytes()).split(b"\n")
    broken.unlink()
    broken.write_bytes(gzip.compress(b"\n".join(lines[:500] + lines[501:])))
    with pytest.raises(UserError, match=r"has 1014 lines but .* has 1013: line 1014 of"):
        multi30k(tmp_path, tmp_path / "cache")


def test_pairs_that_are_in_training_too_are_counted_and_told(root, caplog):
    caplog.set_level(logging.INFO)
    write_pairs(root, "val", [("a zebra", "ein Zebra"), ("a dog runs", "der Hund schläft"), ("", "")])
    write_pairs(root, "test", [*PAIRS[2:4], ("a zebra", "ein Zebra"), PAIRS[2]])
    ready(root)
    assert "test: 3 of 4 pairs are in the training set too" in caplog.messages
    assert not [said for said in caplog.messages if said.startswith("val:")]


@pytest.mark.parametrize("settings", [{"max_size": 4}, {"min_count": 99}, {"max_size": [None, 3]}])
def test_a_vocabulary_without_a_word_is_refused(root, settings):
    with pytest.raises(UserError, match=r"^data.min_count=\d+.*: no word is left in the (en|de) vocabulary"):
        ready(root, **settings)


def test_a_vocabulary_that_leaves_many_words_unknown_is_told_with_their_share(root, caplog):
    caplog.set_level(logging.INFO)
    ready(root, max_size=[5, None])
    assert caplog.messages[0] == (
        "84.2% of the running words of training are unknown: the en vocabulary lists 1 of 10, by "
        "data.min_count=1 data.max_size=5"
    )
    assert not [said for said in caplog.messages if "the de vocabulary" in said]
