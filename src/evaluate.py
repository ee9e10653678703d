"""Scores a checkpoint on its test sets: ``python src/evaluate.py ckpt=outputs/nmt/.../best.ckpt``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("evaluate")
