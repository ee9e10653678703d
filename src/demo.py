"""Shows trained models on a page in the browser: ``python src/demo.py models=[outputs/abstract/...]``."""

from seq2scene.running.cli import run

if __name__ == "__main__":
    run("demo")
