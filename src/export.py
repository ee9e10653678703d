"""Writes a trained model as a folder of plain data: ``python src/export.py ckpt=... to=FOLDER``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("export")
