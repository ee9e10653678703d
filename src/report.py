"""Writes the page of a run: ``python src/report.py run=outputs/abstract/...``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("report")
