"""A page in the browser for trained models."""

import signal

from omegaconf import DictConfig

from seq2scene.app.server import serve
from seq2scene.running.processes.stopping import Stopped


def demo(cfg: DictConfig) -> None:
    """Serves the page until Ctrl-C, which is no failure here; see ``app.server.serve``."""
    try:
        serve(
            cfg.models,
            cfg.host,
            cfg.port,
            waiting=cfg.waiting,
            seconds=cfg.seconds,
            threads=cfg.threads,
            open_browser=cfg.open,
            cache=cfg.paths.cache,
        )
    except Stopped as stopped:
        if stopped.number != signal.SIGINT:
            raise
