"""The tables that evaluation prints: a row of scores for each test set and for what it is compared with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from seq2scene.plotting.gallery import show_score
from seq2scene.reports.report import Report
from seq2scene.tasks.task import Column, Task

Row = tuple[str, Mapping[str, Any]]  # its label and its scores by name


def show_results(results: Mapping[str, Mapping[str, Any]], task: Task, reports: Sequence[Report]) -> None:
    """Prints the scores of each test set, the reports' comparisons below it, and what the reports show."""
    if not results:
        return
    first = next(iter(results.values()))
    columns = [column for column in task.columns if column.name in first]
    comparisons = [pair for report in reports for pair in report.comparisons]
    print_table("test set", columns, _with_comparisons(results, comparisons))
    for report in reports:
        report.show(results)


def print_table(title: str, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """A score that a row lacks is an empty cell."""
    headings = (column.heading for column in columns)
    table = Table(title, *headings, box=None, padding=(0, 1, 0, 0))  # a scene's row in 80 columns
    for label, scores in rows:
        cells = (show_score(scores[name], digits) if name in scores else "" for name, _, digits in columns)
        table.add_row(label, *cells)
    Console().print(table)


def _with_comparisons(
    results: Mapping[str, Mapping[str, Any]], comparisons: Iterable[tuple[str, str]]
) -> Iterator[Row]:
    for name, scores in results.items():
        yield name, scores
        for key, label in comparisons:
            if key in scores:
                yield f"  {label}", scores[key]
