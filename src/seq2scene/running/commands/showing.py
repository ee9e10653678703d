"""A page in the browser for trained models."""

from omegaconf import DictConfig

from seq2scene.app.server import serve


def demo(cfg: DictConfig) -> None:
    """Serves the page until it is interrupted, see ``app.server.serve``."""
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
