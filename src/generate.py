"""Generates from a text, a file or stdin: ``python src/generate.py ckpt=... text="A dog runs ."``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("generate")
