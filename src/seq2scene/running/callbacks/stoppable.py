"""Restores the signal handlers that Lightning replaces."""

import signal
import threading

import pytorch_lightning as pl

from seq2scene.running.processes.stopping import SIGNALS


class Stoppable(pl.Callback):
    """Restores the previous handlers after Lightning replaces them at the start of a loop.

    Lightning's SIGTERM handler starts a collective, which hangs or fails if other ranks are gone, and exits
    with status 0; under Slurm its SIGUSR1 handler saves where no run is resumed from.
    """

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def _put_back(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    on_sanity_check_start = on_train_start = on_validation_start = on_test_start = _put_back
