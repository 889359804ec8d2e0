"""What a person sees while the replay runs: the step, and a bar with the week."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class ReplayProgress:
    """Prints each step with the time since the start; shows a bar where the output is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._task: TaskID | None = None

    def step(self, text: str) -> None:
        """Announce a step."""
        self._console.print(f"[dim]{time.monotonic() - self._started:5.0f} s[/dim]  {text}", highlight=False)

    def note(self, text: str) -> None:
        """Add a line to the step."""
        self._console.print(f"         [dim]{text}[/dim]", highlight=False)

    def start_examples(self, total: int) -> None:
        """Show the bar over so many examples."""
        self._task = self._bar.add_task("", total=total)

    def describe(self, text: str) -> None:
        """Say what is going on: beside the bar, or as a step where there is none."""
        if not self._console.is_terminal:
            self.step(text)
        elif self._task is not None:
            self._bar.update(self._task, description=text)

    def advance(self, examples: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.advance(self._task, examples)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
