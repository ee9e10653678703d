"""Speed and memory of translation: prints a table, writes JSON.

    python benchmarks/translation.py [--data FOLDER] [--ckpt RUN] [--threads 2] [--steps 200]

Training rows have the size of the published comparisons on Multi30k (one layer, 256 embedding features, an
encoder of 2 x 128 and a decoder of 256 cells, general attention, batches of 64 sentences): real target tokens
per second through Lightning's whole loop, after a warm-up of the same number of steps. Search rows, with
--ckpt, translate test_2016_flickr with a trained model, once it is loaded and warm. Each row runs in its own
process.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

from rows import measured

START = time.perf_counter()
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from seq2scene.json_text import to_json  # noqa: E402

TRAINING = {
    "train, input feeding": [],
    "train, no input feeding": ["model.decoder.input_feeding=false"],
    "train, input feeding, bf16": ["trainer.precision=bf16-mixed"],
    "train, no input feeding, bf16": ["model.decoder.input_feeding=false", "trainer.precision=bf16-mixed"],
}
PRUNED = ["search=beam", "search.stop=best", "search.pruning=1.5"]
SEARCHES = {
    "greedy": ["search=greedy"],
    "beam 5": ["search=beam"],
    "beam 5, stop at the best end": ["search=beam", "search.stop=best"],
    "beam 5, the same, pruned": PRUNED,
    "beam 5, the same, pruned, bf16": PRUNED,
}
SIZE = ["model.encoder.hidden_size=128", "model.decoder.bridge=copy", "loss.smoothing=0", "schedule=constant"]


def configuration(name: str, overrides: list[str], data: str) -> dict:
    """A composed config as plain containers, without the parts that need a run folder."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    import seq2scene.running.entry  # noqa: F401  (registers the configs' resolvers)

    place = ["task=nmt", "data=multi30k", f"data.root={data}", "data.eval_batch_size=250"]
    settings = [*place, "~logger", "~callbacks", *overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return OmegaConf.to_container(compose(name, settings), resolve=True)


def measure_training(overrides: list[str], data: str, steps: int) -> dict:
    """Real target tokens per second over the second half of 2 * ``steps`` steps."""
    import pytorch_lightning as pl

    from seq2scene.building import build
    from seq2scene.running.processes.trainers import filter_warnings, make_trainer
    from seq2scene.tasks.loading import build_task

    class Watch(pl.Callback):
        first = 0.0
        since = 0.0
        tokens = 0

        def on_train_batch_end(self, trainer, module, outputs, batch, index) -> None:
            if trainer.global_step == 1:
                self.first = time.perf_counter() - START
            if trainer.global_step == steps:
                self.since = time.perf_counter()
            elif trainer.global_step > steps:
                self.tokens += int(batch.target.lengths.sum())

    config = configuration(
        "train", [*SIZE, f"trainer.max_steps={2 * steps}", "trainer.max_epochs=-1", *overrides], data
    )
    config["trainer"] |= {"limit_val_batches": 0, "enable_progress_bar": False, "enable_model_summary": False}
    filter_warnings()
    pl.seed_everything(1, verbose=False)
    module = build(config["data"], "data")
    module.prepare_data()
    module.setup("fit")
    task = build_task(config, module.description())
    watch = Watch()
    trainer = make_trainer(config["trainer"], callbacks=[watch], logger=False, enable_checkpointing=False)
    trainer.fit(task, datamodule=module)
    speed = watch.tokens / (time.perf_counter() - watch.since)
    return {"target tokens/s": round(speed), "first step after s": round(watch.first, 1)}


def measure_search(overrides: list[str], data: str, ckpt: str, half: bool) -> dict:
    """Sentences per second on test_2016_flickr, sorted by length in batches of 250, including detokenisation;
    and the BLEU of the tokens.
    """
    import torch
    from sacrebleu.metrics import BLEU

    from seq2scene.building import build
    from seq2scene.models.checkpoints import find_checkpoint, load_checkpoint
    from seq2scene.tasks.loading import task_of

    config = configuration("train", overrides, data)
    checkpoint = load_checkpoint(find_checkpoint(ckpt, "best.ckpt"))
    torch.set_float32_matmul_precision(config["trainer"]["float32_matmul"])
    task = task_of(checkpoint, search=config["search"])
    if half:
        task.model.to(torch.bfloat16)
    module = build({**checkpoint["hyper_parameters"]["config"]["data"], **config["data"]}, "data")
    module.use(checkpoint["hyper_parameters"]["description"])
    module.setup("test")
    batches = list(module.test_dataloader()[0])
    times, texts = [], {}
    with torch.inference_mode():
        for _ in range(6):
            since = time.perf_counter()
            for batch in batches:
                found = task.translate(batch.source)
                decoded = [task.target.decode(row) for row in found.tokens[:, 0]]
                texts |= dict(zip(batch.lines.tolist(), decoded, strict=True))
            times.append(time.perf_counter() - since)
    median = sorted(times[1:])[2]  # of five, after one to warm up
    references = module.references("test_2016_flickr")
    bleu = BLEU(tokenize="none", force=True).corpus_score([texts[i] for i in sorted(texts)], [references])
    return {
        "sentences/s": round(len(texts) / median),
        "seconds": round(median, 2),
        "BLEU (tokens)": round(bleu.score, 2),
    }


def measure(row: str, options: argparse.Namespace) -> dict:
    import torch

    torch.set_num_threads(options.threads)
    if row in TRAINING:
        result = measure_training(TRAINING[row], options.data, options.steps)
    else:
        result = measure_search(SEARCHES[row], options.data, options.ckpt, row.endswith("bf16"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**result, "peak MiB": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("SEQ2SCENE_DATA", ROOT / "data")) / "multi30k"
    parser.add_argument("--data", default=str(default), help="folder of Multi30k")
    parser.add_argument("--ckpt", help="a trained checkpoint or run, for the search rows")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", help="one row, by name")
    parser.add_argument("--out", default="translation_benchmark.json")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(to_json(measure(options.row, options)))
        return
    rows = [*TRAINING, *(SEARCHES if options.ckpt else [])]
    results = {}
    for row, found in measured([options.only] if options.only else rows, options.threads):
        results[row] = found
        print(f"{row:30}", "  ".join(f"{key} {value}" for key, value in found.items()), flush=True)
    Path(options.out).write_text(to_json({"threads": options.threads, "rows": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
