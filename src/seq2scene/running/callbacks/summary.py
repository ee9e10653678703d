"""The parts of a model and their numbers of parameters."""

from typing import Any

from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.utilities.model_summary import get_human_readable_count
from rich.console import Console
from rich.table import Table


class Summary(ModelSummary):
    """Lightning's summary without FLOPs, which it cannot count here."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        *_: Any,
        **__: Any,
    ) -> None:
        columns = dict(summary_data)
        table = Table("part", "class", box=None, padding=(0, 1, 0, 0))
        table.add_column("parameters", justify="right")
        for row in zip(*(columns[name] for name in ("Name", "Type", "Params")), strict=True):
            if row[-1].strip() != "0":
                table.add_row(*row)
        Console().print(table)
        counts = map(get_human_readable_count, (total_parameters, trainable_parameters))
        print("{} parameters, {} of them trainable".format(*map(str.strip, counts)), flush=True)
