"""Trains a model: ``python src/train.py``; ``--help`` lists the options."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("train")
