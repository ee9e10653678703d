"""Scores given translations: ``python src/score.py ckpt=... source=test.en target=test.de``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("score")
