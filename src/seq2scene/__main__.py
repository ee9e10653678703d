"""``python -m seq2scene``: the command ``seq2scene``."""

from seq2scene.running.cli import main

if __name__ == "__main__":
    main()
