"""Restores the SIGTERM handler that Lightning replaces."""

import signal
import threading

import pytorch_lightning as pl


class Stoppable(pl.Callback):
    """Restores the previous handler after Lightning replaces it at the start of a loop.

    Lightning's handler starts a collective, which hangs or fails if other ranks are gone, and exits with
    status 0.
    """

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def _put_back(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)

    on_sanity_check_start = on_train_start = on_validation_start = on_test_start = _put_back
