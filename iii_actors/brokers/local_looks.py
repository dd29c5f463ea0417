"""What happens to jobs while somebody looks for one of them in the journal, which may answer later."""

from __future__ import annotations

__all__ = ["Looks"]


class Looks:
    """Belongs to the broker's actor. Costs nothing while nobody looks."""

    def __init__(self) -> None:
        self.under_way = 0
        self._begun = 0
        self._touched: dict[int, int] = {}
        """Job numbers, and how many looks had been begun when something happened to that job last."""
        self._all_touched = 0

    def begin(self) -> int:
        """Note from now on what happens; :meth:`stale` takes what this returns, and :meth:`end` must follow."""
        self.under_way += 1
        self._begun += 1
        return self._begun

    def stale(self, since: int, number: int) -> bool:
        """Return whether something has happened to a job since a look was begun."""
        return self._touched.get(number, 0) >= since or self._all_touched >= since

    def end(self) -> None:
        self.under_way -= 1
        if not self.under_way:
            self._touched.clear()

    def touch(self, number: int) -> None:
        """Something has happened to this job."""
        if self.under_way:
            self._touched[number] = self._begun

    def touch_all(self) -> None:
        """Something has happened to many jobs."""
        self._all_touched = self._begun
