"""Self-critical training of scenes: faithfulness as the reward of sampled scenes."""

from pathlib import Path

import pytest
import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.metrics.rewards import faithfulness_reward
from seq2scene.scenes.facts import Fact, check, of_text
from seq2scene.scenes.objects import EOS, PAD, SOS
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.batch import Sentences
from seq2scene.tasks.loading import build_task
from seq2scene.tasks.scenes import SceneTask
from seq2scene.tasks.self_critical_scenes import scene_policy_loss, self_critical_scene_loss
from seq2scene.tasks.task import Loss
from test_configs import compose_plain

pytestmark = pytest.mark.slow

OPTIONS = [*("task=abstract", "data=abstract_scenes", "model=relational", "debug=tiny_relational")]
OPTIONS += ["trainer=cpu", "data.batch_size=4", "loss=self_critical", "data.drop_sentences=0.3"]
LONGEST = 4
LIMITS = {"max_ratio": 0.0, "max_extra": LONGEST, "repeat_objects": True}


@pytest.fixture(scope="module")
def made(park_scenes: Path) -> tuple[SceneTask, object]:
    """An untrained task, and data whose training batches have facts."""
    config = compose_plain(park_scenes, *OPTIONS, f"data.root={park_scenes}")
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    data.train_on_facts()
    torch.manual_seed(1)
    return build_task(config, data.description()).eval(), data


def test_training_batches_have_the_facts_of_the_sentences_that_they_have(made) -> None:
    _, data = made
    stated, counts = data._facts_of_sentences("train"), set()
    for batch in data.train_dataloader():
        assert batch.stated is None
        for row, sample in enumerate(batch.rows.tolist()):
            kept = batch.texts.lengths.view(len(batch), -1)[row] > 0
            told = [facts for facts, there in zip(stated[sample], kept, strict=False) if there]
            assert batch.facts[row] == of_text(told)
            counts.add(len(told))
    assert min(counts) < max(counts)  # some sentences are left out, and their facts too


def test_the_reward_is_the_share_of_stated_facts_that_hold(made) -> None:
    _, data = made
    scene, facts = data.truth("val")[:1], data.facts("val")[0]
    wrong = (Fact("thing", facts[0].subject, denied=True), *facts)
    found = faithfulness_reward(scene, [wrong], data.schema)
    assert all(check(facts, scene, data.schema)) and found == [pytest.approx(1 - 1 / len(wrong))]
    assert faithfulness_reward(scene, [()], data.schema) == [0.0]


def test_what_is_rewarded_becomes_likelier(made) -> None:
    task, data = made
    batch, limits = next(iter(data.train_dataloader())), Greedy(**LIMITS)
    number = data.schema.number(data.schema.names[20])

    def reward(objects, facts, schema) -> list[float]:
        return (objects.classes == number).any(1).float().tolist()

    def share() -> float:
        return float(torch.tensor(reward(task.model.decode(batch.texts, many).objects, None, None)).mean())

    many = Sample(**LIMITS, num_samples=50)
    torch.manual_seed(1)
    before, optimizer = share(), torch.optim.Adam(task.model.parameters(), lr=0.02)
    for _ in range(8):
        loss = self_critical_scene_loss(task.model.train(), batch, reward, limits, per_scene=True)
        optimizer.zero_grad()
        (loss.total / loss.normaliser).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in task.model.parameters())
        optimizer.step()
    task.eval()
    assert loss.logged.keys() == {"reward", "greedy_reward"} and share() > before + 0.3


def test_the_loss_is_the_log_probability_of_samples_times_their_advantage_however_ranks_share_them(
    made,
) -> None:
    task, data = made
    with torch.no_grad():  # few objects, and neither padding nor the start of a scene
        task.model.decoder.prior[2].bias[[PAD, SOS, EOS]] = torch.tensor([-80.0, -80.0, 7.0])
    texts = next(iter(data.val_dataloader())).texts
    torch.manual_seed(0)
    drawn = task.model.decode(texts, Sample(**LIMITS, whole_objects=True))
    scenes = len(drawn.objects)
    ended = (drawn.objects.classes == EOS).long().argmax(1) < LONGEST  # by itself, not by force
    assert 1 < ended.sum() < scenes
    scores, baseline = torch.rand(scenes), torch.rand(scenes)

    def loss(rows: slice, scores: torch.Tensor, per_scene: bool) -> Loss:
        both = (part.unflatten(0, (scenes, -1))[rows].flatten(0, 1) for part in (texts.ids, texts.lengths))
        some = Sentences.of(*both), drawn.objects[rows], scores[rows], baseline[rows]
        return scene_policy_loss(task.model, *some, Greedy(**LIMITS), per_scene)

    whole = loss(slice(scenes), scores.where(ended, baseline), per_scene=True)
    wanted = -((scores - baseline) * drawn.log_probs[:, 0])[ended].sum()
    torch.testing.assert_close(whole.total, wanted)
    assert whole.normaliser == scenes
    every, *parts = (loss(rows, scores, False) for rows in (slice(scenes), slice(3), slice(3, scenes)))
    for name in ("total", "nll", "count", "normaliser"):
        torch.testing.assert_close(getattr(every, name), sum(getattr(part, name) for part in parts))
    assert every.normaliser == every.count


def test_data_that_do_not_say_what_their_texts_state_are_refused(made, tmp_path) -> None:
    config = compose_plain(tmp_path, *OPTIONS, f"data.root={tmp_path}")
    with pytest.raises(UserError, match=r"loss=self_critical: the reward is .* there are no .*train\.jsonl"):
        build(config["data"], "data").train_on_facts()
    config["loss"]["self_critical"] = {"metric": "cider"}
    with pytest.raises(UserError, match=r"metric=cider is not a choice .* choose one of faithfulness"):
        build_task(config, made[1].description())
