"""What has happened and is not in the file yet.

Changes are gathered in batches, in which the later change of a job takes the earlier one's place, and a job that comes
and goes leaves nothing to be written. A change of a whole queue ends a batch: it is made between the one before it and
the one after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from iii_actors.brokers import journal
from iii_actors.brokers.journal import Change, NewJob
from iii_actors.brokers.sqlite_rows import Columns, Stored, encoded_failures, fitting

__all__ = ["Batch", "Counted", "Key", "Named", "Patch", "Pending", "Snapshot", "Whole"]

Whole: TypeAlias = journal.Declare | journal.Pause | journal.Forget | journal.Discard | journal.Move
"""A change of a whole queue."""

Key: TypeAlias = tuple[int, str]
"""An idempotency key of a queue."""

_WHOLE: Final = (journal.Declare, journal.Pause, journal.Forget, journal.Discard, journal.Move)


class Counted(NamedTuple):
    """Where a drop is counted: a queue's number in the file, and which of its totals."""

    queue: int
    total: str
    """``done`` or ``removed``."""


class Patch:
    """New values of a job that is in the file."""

    __slots__ = ("columns", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        """In the file, before this batch is written."""
        self.columns: Columns = {}


class Batch:
    """Changes of jobs, each told apart from the others by its number."""

    def __init__(self) -> None:
        self.new: dict[int, Stored] = {}
        """Put, and not in the file: number to row."""
        self.patches: dict[int, Patch] = {}
        """In the file, and changed: number now to what has changed."""
        self.gone: set[int] = set()
        """Numbers that there are no more, or that there were not at all."""
        self.drops: dict[Counted, list[int]] = {}
        """Numbers to be removed from the file; those that are there count."""
        self.totals: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        """What else has been counted: queue, total, how many."""
        self.keys: dict[Key, tuple[int, str]] = {}
        """To be remembered: until when, and the receipt."""
        self.mark: int | None = None

    def __bool__(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.new or self.patches or self.drops or self.totals or self.keys) or self.mark is not None

    def change(self, number: int, columns: Columns) -> None:
        """Give a job other values, its number possibly among them."""
        if number in self.gone:
            return
        now = columns.get("number", number)
        stored = self.new.pop(number, None)
        if stored is not None:
            self.new[now] = stored.changed(columns)
        else:
            patch = self.patches.pop(number, None) or Patch(number)
            patch.columns.update(columns)
            self.patches[now] = patch
        if now != number:
            self.gone.add(number)

    def drop(self, number: int, counted: Counted) -> None:
        if number in self.gone:
            return
        self.gone.add(number)
        if self.new.pop(number, None) is not None:
            self.totals[counted.queue][counted.total] += 1
            return
        patch = self.patches.pop(number, None)
        self.drops.setdefault(counted, []).append(patch.number if patch is not None else number)


class Named(NamedTuple):
    """A change of a whole queue, and the queues' numbers in the file when it was made."""

    change: Whole
    queue: int
    source: int = 0


class Snapshot(NamedTuple):
    """What :meth:`Pending.restore` goes back to."""

    steps: int
    queues: dict[str, int]
    size: int


class Pending:
    """All that is to be written, in order.

    :param queues: the file's queues, key to number in the file; numbers are not used again.
    :param last_queue: the greatest number given to a queue so far.
    """

    def __init__(self, queues: dict[str, int], last_queue: int) -> None:
        self.queues = queues
        """Key to number; never changed in place."""
        self.names = {number: key for key, number in queues.items()}
        """Number to key, of former queues too as long as something of them is waiting to be written."""
        self._last_queue = last_queue
        self.last = Batch()
        """Takes what comes."""
        self.steps: list[Batch | Named] = [self.last]
        self.size = 0
        """About how many bytes wait."""

    def __bool__(self) -> bool:
        return any(not isinstance(step, Batch) or step for step in self.steps)

    def _add(self, *named: Named) -> None:
        """From now on take what comes into another batch."""
        self.last = Batch()
        self.steps += (*named, self.last)

    # --- what comes --------------------------------------------------------------------------------------------------

    def put(self, given: NewJob, stored: Stored) -> None:
        """Take in a job, and remember its key."""
        batch, key = self.last, given.job.idempotency_key
        batch.new[stored.number] = stored
        batch.totals[stored.queue]["enqueued"] += 1
        if key is not None and given.remember_until_ms:
            batch.keys[stored.queue, key] = fitting(given.remember_until_ms), given.job.receipt
        self.size += len(stored.body)

    def duplicate(self, queue: str) -> None:
        """Count a job that is not stored because of its key."""
        self.last.totals[self.queues[queue]]["duplicates"] += 1

    def change(self, change: Change) -> None:
        """Take in a change.

        :raises KeyError: the queue has not been declared.
        :raises UnicodeEncodeError: a text is none; nothing is taken in.
        """
        if isinstance(change, journal.Mark):
            self.last.mark = change.number
        elif isinstance(change, _WHOLE):
            self._change_whole(change)
        elif isinstance(change, journal.Drop):
            counted = Counted(self.queues[change.queue], "done" if change.done else "removed")
            drop = self.last.drop
            for number in change.numbers:
                drop(number, counted)
        else:
            self._change_one(change)

    def _change_one(self, change: journal.Retry | journal.Bury | journal.Redrive | journal.Edit) -> None:
        queue, batch = self.queues[change.queue], self.last
        if isinstance(change, journal.Retry):
            columns: Columns = {
                "attempts": change.attempts,
                "failures": encoded_failures(change.failures),
                "due": fitting(change.due_at_ms),
                "wait": fitting(change.wait_ms),
                "dead": None,
            }
            batch.totals[queue]["retried"] += 1
        elif isinstance(change, journal.Bury):
            columns = {
                "attempts": change.attempts,
                "failures": encoded_failures(change.failures),
                "dead": fitting(change.at_ms),
            }
        elif isinstance(change, journal.Redrive):
            columns = {"number": change.new_number, "attempts": 0, "due": 0, "wait": 0, "dead": None}
            batch.totals[queue]["redriven"] += 1
        else:
            columns = {}
            if change.data is not None:
                columns["data"] = change.data
                self.size += len(change.data)
            if change.max_retries is not None:
                columns["max_retries"] = change.max_retries
        if columns:
            batch.change(change.number, columns)

    def _change_whole(self, change: Whole) -> None:
        if isinstance(change, journal.Declare):
            change.queue.encode()
            if change.queue not in self.queues:
                self._last_queue += 1
                self.queues = {**self.queues, change.queue: self._last_queue}
                self.names[self._last_queue] = change.queue
        elif isinstance(change, journal.Move):
            (change.function_id + change.namespace).encode()
        queue = self.queues[change.queue]
        source = self.queues[change.source] if isinstance(change, journal.Move) else 0
        if isinstance(change, journal.Forget):
            self.queues = {key: number for key, number in self.queues.items() if key != change.queue}
        self._add(Named(change, queue, source))

    # --- looking -----------------------------------------------------------------------------------------------------

    def seen(self, number: int) -> tuple[int, list[Columns | Named]] | Stored | None:
        """Return what has become of a job.

        :returns: None: it is not there. A row: so it is, and not in the file. Else its number in the file, and what has
            happened to what is found there, for :meth:`after`.
        """
        done: list[Columns | Named] = []
        for step in reversed(self.steps):
            if isinstance(step, Named):
                done.append(step)
                continue
            stored = step.new.get(number)
            if stored is not None:
                return self.after(stored, done[::-1])
            if (patch := step.patches.get(number)) is not None:
                done.append(patch.columns)
                number = patch.number
            elif number in step.gone:
                return None
        return number, done[::-1]

    @staticmethod
    def after(stored: Stored, done: list[Columns | Named]) -> Stored | None:
        """Return a row as it is after these changes; None: it is gone."""
        for one in done:
            if not isinstance(one, Named):
                stored = stored.changed(one)
            elif isinstance(one.change, journal.Move) and stored.queue == one.source and stored.dead is None:
                stored = stored._replace(
                    queue=one.queue, function_id=one.change.function_id, namespace=one.change.namespace
                )
            elif isinstance(one.change, journal.Discard) and stored.queue == one.queue and stored.dead is not None:
                return None
        return stored

    def key(self, key: Key) -> tuple[int, str] | None:
        """Return until when a key is remembered, and its receipt, if that is not in the file yet."""
        batches: Iterator[Batch] = (step for step in reversed(self.steps) if isinstance(step, Batch))
        return next((found for batch in batches if (found := batch.keys.get(key)) is not None), None)

    # --- writing -----------------------------------------------------------------------------------------------------

    def begin(self) -> Snapshot:
        """Put what comes into a batch of its own, so that it can be taken back."""
        self._add()
        return Snapshot(len(self.steps) - 1, self.queues, self.size)

    def restore(self, snapshot: Snapshot) -> None:
        """Forget what has come since."""
        del self.steps[snapshot.steps :]
        self.queues, self.size = snapshot.queues, snapshot.size
        before = self.steps[-1]
        if isinstance(before, Batch):
            self.last = before
        else:
            self._add()

    def clear(self) -> None:
        """All of it has been written."""
        self.last = Batch()
        self.steps = [self.last]
        self.size = 0
        if len(self.names) != len(self.queues):
            self.names = {number: key for key, number in self.queues.items()}
