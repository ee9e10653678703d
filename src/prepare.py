"""Fetches a published data set, or generates the embedded one: ``python src/prepare.py data=multi30k``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("prepare")
