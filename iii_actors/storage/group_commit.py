"""The actor that owns a file: carries out all that waits in one transaction, and answers when it is written.

While one group is being written the next one gathers in the mailbox, so that the cost of a commit is shared by as many
operations as there are callers at a time, and a single caller waits for nobody.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from iii_actors.actor import Round, ThreadedActor, handles
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import (
    STORE_GROUP,
    STORE_SAVE_FLOOR_MS,
    STORE_SWEEP,
    STORE_SWEEP_PAUSE_S,
    STORE_UNSAVED_BYTES,
)
from iii_actors.storage.contract import Done
from iii_actors.storage.errors import StorageError
from iii_actors.storage.operations import Operation
from iii_actors.storage.overlay import Overlay
from iii_actors.storage.sqlite_errors import may_pass_alone, storage_error
from iii_actors.storage.sqlite_file import SqliteFile

__all__ = ["CLOSED", "Close", "GroupCommit", "Request"]

logger = logging.getLogger(__name__)

CLOSED = "the store is closed: the engine is stopping"


class Request(NamedTuple):
    """Told: carry this out."""

    operation: Operation
    done: Done[Any]


class Close(NamedTuple):
    """Asked: write out what waits and let go of the file. What is told afterwards gets ``StorageError``."""


class _Save(NamedTuple):
    """Told by the clock: write out what was answered without."""


class _Sweep(NamedTuple):
    """Told by the clock: remove what has expired."""


_Answer = tuple[Any, EngineError | None]


class GroupCommit(ThreadedActor):
    """Owns the file and what is not in it yet.

    :param save_interval_ms: None: every answer waits for the commit; else nothing waits, and so often all is written.
    """

    def __init__(self, file: SqliteFile, clock: Clock, save_interval_ms: int | None) -> None:
        super().__init__()
        self._file = file
        self._clock = clock
        self._overlay = Overlay(file.table, clock)
        self._save_s = None
        if save_interval_ms is not None:
            self._save_s = max(save_interval_ms, STORE_SAVE_FLOOR_MS) / 1000
        self._saving: Timer | None = None
        self._sweeping: Timer | None = None
        self._unsaved: sqlite3.Error | None = None
        """Why the last attempt to save failed."""
        self._closed = False
        self.bytes_done = 0
        """How many bytes of values have been taken out of the mailbox, since the start."""
        self._plan_sweep()

    # --- groups ------------------------------------------------------------------------------------------------------

    @handles(Request)
    def carry_out(self, request: Request) -> None:
        """Carry out this one and those behind it, up to the first message of another kind."""
        group = [request]
        inbox, waiting = self.actor_inbox, self.actor_inbox.queue  # type: ignore[attr-defined]
        # Nobody else takes anything out, so what stands first stays first.
        while waiting and type(waiting[0].message) is Request and len(group) < STORE_GROUP:
            group.append(inbox.get().message)
        try:
            answers = self._results(group)
        except Exception as error:
            logger.exception("%s: a group of %d operations failed", self._file.path, len(group))
            answers = [(None, storage_error(self._file.path, error))] * len(group)
        self.bytes_done += sum(one.operation.size() for one in group)
        self._plan_save()
        self._plan_sweep()
        # One round, so that all answers to one peer leave in one write.
        with Round():
            for (_, done), answer in zip(group, answers, strict=True):
                try:
                    done(*answer)
                except Exception:
                    logger.exception("%s: the answer to an operation could not be given", self._file.path)

    def _results(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Return each one's result, written as far as it must be."""
        if self._closed:
            return [(None, StorageError(CLOSED))] * len(group)
        if self._save_s is not None:
            return self._unwritten_results(group)
        try:
            return self._written_results(group)
        except Exception as failure:
            if len(group) == 1:
                return [(None, self._said(failure))]
            return [self._result_alone(request, failure) for request in group]

    def _result_alone(self, request: Request, failure: Exception) -> _Answer:
        """Carry out one of a group that could not be written: reads can be, and smaller writes perhaps."""
        if request.operation.writes and not may_pass_alone(failure):
            return None, self._said(failure)
        try:
            return self._written_results([request])[0]
        except Exception as error:
            return None, self._said(error)

    def _written_results(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Carry out and commit; an error means that nothing of it has happened."""
        try:
            answers = self._run(group)
            self._overlay.write_out()
        except BaseException:
            self._overlay.discard()
            raise
        return answers

    def _unwritten_results(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Carry out in memory. When too much is unsaved, save first; while that fails, writes are refused."""
        if self._crowded() and self._unsaved is None:
            self._save()
        if self._unsaved is None or not self._crowded():
            return self._run_each(group)
        refusal = self._said(self._unsaved)
        return [(None, refusal) if one.operation.writes else self._run_each([one])[0] for one in group]

    def _crowded(self) -> bool:
        return self._overlay.size > STORE_UNSAVED_BYTES or self._file.table.versions_left < STORE_GROUP

    def _run_each(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Carry out a group; if it cannot be read ahead, one by one, so that each has an answer of its own."""
        try:
            return self._run(group)
        except Exception as error:
            if len(group) == 1:
                return [(None, self._said(error))]
        return [self._run_each([request])[0] for request in group]

    def _run(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Carry out without writing. Raises if nothing has been carried out; one that fails has an error."""
        self._overlay.look_up([address for one in group for address in one.operation.addresses()])
        answers: list[_Answer] = []
        for one in group:
            try:
                answers.append((one.operation.run(self._overlay), None))
            except Exception as error:
                answers.append((None, self._said(error)))
        return answers

    def _said(self, error: Exception) -> EngineError:
        """Return what the caller is told of an error."""
        if isinstance(error, EngineError):
            return error
        if not isinstance(error, (sqlite3.Error, UnicodeEncodeError)):
            logger.error("%s: an operation failed", self._file.path, exc_info=error)
        return storage_error(self._file.path, error)

    # --- saving, with durability `memory` ----------------------------------------------------------------------------

    def _plan_save(self) -> None:
        if self._save_s is not None and self._saving is None and self._overlay.size and not self._closed:
            self._saving = self._clock.call_later(self._save_s, lambda: self.actor_ref.tell(_Save()))

    @handles(_Save)
    def save_now(self, _: _Save) -> None:
        self._saving = None
        if not self._closed:
            self._save()
            self._plan_save()
            self._plan_sweep()

    def _save(self) -> None:
        """Write out; what cannot be written stays where it is and is tried again."""
        try:
            self._overlay.write_out()
        except sqlite3.Error as error:
            if self._unsaved is None:
                said = storage_error(self._file.path, error)
                logger.error("%s; what is not saved is kept in memory", said)  # noqa: TRY400 - no fault of the program
            self._unsaved = error
        else:
            if self._unsaved is not None:
                logger.info("%s: saved again", self._file.path)
            self._unsaved = None

    # --- what has expired --------------------------------------------------------------------------------------------

    def _plan_sweep(self) -> None:
        due = self._overlay.next_expiry
        if due is not None and self._sweeping is None and not self._closed:
            delay_s = max((due - self._overlay.now_ms()) / 1000, STORE_SWEEP_PAUSE_S)
            self._sweeping = self._clock.call_later(delay_s, lambda: self.actor_ref.tell(_Sweep()))

    @handles(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        """Remove a bounded number, and let others have their turn before the next ones."""
        self._sweeping = None
        if self._closed:
            return
        try:
            finished = self._overlay.remove_expired(STORE_SWEEP)
        except sqlite3.Error as error:
            logger.warning("%s; what has expired is removed later", storage_error(self._file.path, error))
            finished = True
        if finished:
            self._plan_sweep()
        else:
            self.actor_ref.tell(_Sweep())

    # --- the end -----------------------------------------------------------------------------------------------------

    @handles(Close)
    def close(self, _: Close) -> None:
        """Write out, work the log in, let go."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._saving, self._sweeping):
            if timer is not None:
                timer.cancel()
        self._save()
        try:
            self._file.close()
        except sqlite3.Error as error:
            logger.warning("%s; the next start works its log in", storage_error(self._file.path, error))
