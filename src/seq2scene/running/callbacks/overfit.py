"""The same batches in every epoch, to see whether a model can learn them by heart."""

import pytorch_lightning as pl


class SameBatches(pl.Callback):
    """Every training epoch has the batches of the first, in its order."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.train_dataloader.sampler.set_epoch(0)
