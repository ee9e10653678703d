"""SIGTERM keeps the handler that it had before Lightning's loops."""

import signal
import threading

import pytorch_lightning as pl


class Stoppable(pl.Callback):
    """Puts the handler back that Lightning replaces when a loop starts.

    Lightning's own begins a collective inside the handler, which hangs or fails where other ranks are gone,
    and ends the process with status 0.
    """

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def _put_back(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)

    on_sanity_check_start = on_train_start = on_validation_start = on_test_start = _put_back
