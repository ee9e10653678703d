import numpy as np
import pytest
from pytorch_lightning.loggers import CSVLogger

from seq2scene.errors import UserError
from seq2scene.plotting.curves import draw_curves, read_curves, running_mean


@pytest.fixture
def metrics(tmp_path):
    """The metrics file of a short run: training every 10 steps, validation every 50."""
    logger = CSVLogger(tmp_path, name="", version="")
    for step in range(0, 200, 10):
        loss = 5.0 / (1 + step / 50)
        logger.log_metrics({"train/loss_step": loss, "lr-Adam": 1e-3, "epoch": step // 50}, step)
        if step % 50 == 40:
            logger.log_metrics({"val/loss": loss, "val/bleu": step / 10, "train/loss_epoch": 9.0}, step)
            logger.log_metrics({"val/perplexity": float("inf") if step == 40 else np.exp(loss)}, step)
    logger.finalize("success")
    return tmp_path / "metrics.csv"


def test_curves_are_found_by_quantity_and_stage(metrics):
    curves = read_curves(metrics)
    assert set(curves) == {"loss", "bleu", "perplexity", "lr-Adam"}
    assert set(curves["loss"]) == {"train", "val"}
    assert curves["bleu"]["val"].tolist() == [[40, 4], [90, 9], [140, 14], [190, 19]]


def test_where_a_loss_was_logged_by_step_and_by_epoch_the_steps_are_drawn(metrics):
    assert len(read_curves(metrics)["loss"]["train"]) == 20


def test_a_value_that_is_not_finite_is_left_out(metrics):
    assert read_curves(metrics)["perplexity"]["val"][:, 0].tolist() == [90, 140, 190]


def test_a_run_of_no_numbers_has_the_panels_of_the_others(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,val/perplexity,train/loss\n1,0,inf,2.5\n2,0,nan,2.4\n")
    assert set(read_curves(path)) == {"loss"}
    assert draw_curves(path).shape == draw_curves(path, ["loss"]).shape


def test_the_picture_has_a_panel_for_each_quantity_that_was_logged(metrics):
    one, three = draw_curves(metrics, ["loss"]), draw_curves(metrics)
    assert one.dtype == np.uint8
    assert three.shape[0] > 1.8 * one.shape[0]  # two rows
    assert three.shape[1] > 1.8 * one.shape[1]  # of two columns


def test_no_file_and_no_such_quantity_are_errors_that_say_so(tmp_path, metrics):
    with pytest.raises(UserError, match="logger=csv"):
        draw_curves(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"has none of accuracy; it has .*loss"):
        draw_curves(metrics, ["accuracy"])


def test_the_running_mean_keeps_a_straight_line_straight_at_its_start():
    line = np.arange(50.0)
    smooth = running_mean(line, 5)
    assert smooth[:45] == pytest.approx(line[:45])
    assert running_mean(np.ones(3), 10) == pytest.approx(np.ones(3))
    noise = np.random.default_rng(0).normal(size=500)
    assert running_mean(noise, 10).std() < 0.3 * noise.std()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("step,val/loss\n1,2\n2,x3\n", r"metrics\.csv, line 3: val/loss: 'x3' is no number"),
        ("step,val/loss\none,2\n", r"line 2: val/loss: 'one' is no number"),
        ("epoch,val/loss\n1,2\n", r"metrics\.csv: its header has no column step"),
    ],
)
def test_a_damaged_file_is_refused_by_line_and_column(tmp_path, content, said):
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(UserError, match=said):
        read_curves(tmp_path / "metrics.csv")
