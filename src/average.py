"""Averages the weights of checkpoints: ``python src/average.py ckpt=[a.ckpt,b.ckpt] out=averaged.ckpt``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("average")
