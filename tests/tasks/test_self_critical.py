"""Self-critical training: the gradient of sampled sentences is that of the expected score."""

import random
from itertools import product
from types import SimpleNamespace

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.cider import DocumentFrequencies, likeness
from seq2scene.metrics.rewards import bleu_reward, chrf_reward, cider_reward, stored_frequencies
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.running.callbacks.endings import Diverged
from seq2scene.running.callbacks.non_finite import NonFinite, replay
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.padding import shift_right
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.self_critical import self_critical_loss
from small_captioner import LANGUAGE, SMALL, small_captioner
from small_translators import sentences, translator
from test_configs import compose_plain

TRAINER = {"precision": "32-true", "global_step": 0, "current_epoch": 0, "global_rank": 0, "world_size": 1}
WORDS, EOS, LONGEST = (4, 5, 6), 3, 3
EVERY = [one for size in range(LONGEST + 1) for one in product(WORDS, repeat=size)]


@pytest.fixture
def net() -> Translator:
    """Writes three of its words, and padding, BOS or <unk> never."""
    net = translator(LuongDecoder, dropout=0.3)
    with torch.no_grad():
        net.decoder.output.bias[[1, 7, 8, 9]] = -80.0
    return net


@pytest.fixture
def reward(net: Translator):
    """Any score of the texts, here a random one of each."""
    chance = random.Random(0)
    scores = {net.target.decode([*ids, EOS]): chance.uniform(-1, 1) for ids in EVERY}
    return lambda texts, references: [scores[text] for text in texts]


def loss(net: Translator, reward, rows: int, per_sentence: bool = True):
    source = sentences([[4, 5, 6]] * rows)
    limits = Greedy(max_ratio=0.0, max_extra=LONGEST)
    return self_critical_loss(
        *(net, lambda: net.encode(source), net.decoder, net.target, [[]] * rows, reward, limits, per_sentence)
    )


def exact_gradient(net: Translator, reward) -> torch.Tensor:
    """That of minus the expected score, over every sentence that can be written."""
    gold = sentences([[*ids, EOS] for ids in EVERY])
    features, _ = net(sentences([[4, 5, 6]] * len(EVERY)), shift_right(gold.ids, 2))
    logits = net.decoder.output(features)
    logits[..., [0, 2]] = -torch.inf
    log_probs = logits.log_softmax(2).gather(2, gold.ids.unsqueeze(2)).squeeze(2)
    free = gold.mask & (torch.arange(gold.ids.shape[1]) < LONGEST)  # after three words the end is forced
    probs = log_probs.masked_fill(~free, 0).sum(1).exp()
    assert probs.sum().item() == pytest.approx(1)
    scores = torch.tensor(reward([net.target.decode([*ids, EOS]) for ids in EVERY], None))
    return flat(torch.autograd.grad(-(probs * scores).sum(), list(net.parameters())))


def flat(gradients) -> torch.Tensor:
    return torch.cat([one.flatten() for one in gradients])


@pytest.mark.parametrize("training", [False, True])
def test_the_average_of_sampled_gradients_is_the_gradient_of_the_expected_score(
    net, reward, training: bool
) -> None:
    torch.manual_seed(0)
    exact, found = exact_gradient(net, reward), []
    net.train(training)
    assert any(isinstance(one, torch.nn.Dropout) and one.p > 0 for one in net.modules())
    for _ in range(40):
        drawn = loss(net, reward, 500)
        found.append(flat(torch.autograd.grad(drawn.total / drawn.normaliser, list(net.parameters()))))
    samples = torch.stack(found)
    error = samples.std(0) / len(samples) ** 0.5
    assert error.norm() < 0.1 * exact.norm()  # few enough samples would agree with anything
    assert ((samples.mean(0) - exact).abs() <= 5 * error + 1e-12).all()


def test_a_sample_that_is_the_greedy_sentence_teaches_nothing(net, reward) -> None:
    with torch.no_grad():
        net.decoder.output.bias[5] = 80.0
    sure = loss(net, reward, 3)
    assert sure.total == 0 and sure.logged["reward"] == sure.logged["greedy_reward"]
    assert (flat(torch.autograd.grad(sure.total, list(net.parameters()))) == 0).all()
    assert sure.count == 3 * LONGEST  # the end is forced, and does not count


def test_the_normaliser_is_the_number_of_words_sampled_or_of_sentences(net, reward) -> None:
    torch.manual_seed(0)
    drawn = loss(net, reward, 8, per_sentence=False)
    assert drawn.normaliser == drawn.count and 8 <= drawn.count <= 8 * LONGEST
    assert loss(net, reward, 8).normaliser == 8
    assert net.training is False and loss(net.train(), reward, 2) and net.training


# Rewards

REFERENCES = [("A dog runs.", "the dog runs on grass"), ("a red hat", "A hat that is red!"), ("a dog",)]


def test_the_reward_of_captions_is_cider_with_the_frequencies_of_training_and_the_end_a_word(
    tmp_path,
) -> None:
    reward = cider_reward(stored_frequencies(REFERENCES, tmp_path))
    golds = [[(*caption_words(text), "<end>") for text in told] for told in REFERENCES]
    frequencies = DocumentFrequencies.of(golds)
    (whole, broken), texts = reward(["a dog runs", "a dog runs on"], [REFERENCES[0]] * 2), golds[0]
    wanted = likeness(
        frequencies.vectors(("a", "dog", "runs", "<end>")), list(map(frequencies.vectors, texts))
    )
    assert whole == wanted > broken
    (path,) = tmp_path.glob("*.json")
    stamp = path.stat().st_mtime_ns
    assert stored_frequencies(REFERENCES, tmp_path) == frequencies and path.stat().st_mtime_ns == stamp
    path.write_text("{}")
    assert stored_frequencies(REFERENCES, tmp_path) == frequencies  # made again


def test_bleu_and_chrf_of_single_sentences() -> None:
    for make in (bleu_reward, chrf_reward):
        same, part, none = make()(["a dog runs", "a dog", "zebu"], [["a dog runs"]] * 3)
        assert same == pytest.approx(1) and 0 < part < 1 and none < 0.1
        assert make(captions=True)(["A dog, runs."], [("x", "a dog runs")]) == [pytest.approx(1)]


# Tasks


def test_a_captioner_learns_from_the_captions_that_it_samples_and_a_bad_step_can_be_replayed(
    tmp_path, monkeypatch
) -> None:
    config = compose_plain(tmp_path, *SMALL, "loss=self_critical", f"paths.cache={tmp_path}")
    task = small_captioner(config)
    told = [("a red square",), ("a green square", "green square")]
    data = SimpleNamespace(references={"train": told}.__getitem__)
    monkeypatch.setattr(Captioning, "trainer", SimpleNamespace(datamodule=data))
    task.on_fit_start()
    batch = CaptionBatch(
        torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
        LANGUAGE.batch([texts[0] for texts in told], eos=True),
        torch.arange(2),
        tuple(told),
    )
    plain, callback = task.loss(batch), NonFinite(str(tmp_path))
    trainer = SimpleNamespace(**TRAINER, lightning_module=task)
    callback.on_train_start(trainer, task)
    callback.on_train_batch_start(trainer, task, batch, 0)
    drawn = task.train().loss(batch)
    assert not plain.logged and drawn.logged.keys() == {"reward", "greedy_reward"}
    drawn.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)
    norms = torch.stack([p.grad.norm() for p in task.parameters() if p.grad is not None])
    with pytest.raises(Diverged):
        task.guard(torch.optim.SGD(task.parameters(), 0.1), drawn.total, torch.tensor(torch.nan), norms)
    (again,) = replay(tmp_path / "non_finite_step_1.pt", small_captioner(config))
    assert again.total == drawn.total and again.logged == drawn.logged


def test_what_cannot_be_combined_is_refused(tmp_path) -> None:
    def build(*overrides: str) -> None:
        small_captioner(compose_plain(tmp_path, *SMALL, "loss=self_critical", *overrides))

    with pytest.raises(UserError, match=r"loss=self_critical: not with loss\.hard=true"):
        build("loss.hard=true", "model=xu2015", "~model.annotations.size")
    with pytest.raises(UserError, match=r"metric=meteor is not a choice .* choose one of cider, bleu, chrf"):
        build("loss.self_critical.metric=meteor")
