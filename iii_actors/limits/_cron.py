"""The cron worker."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

CRON_MAX_JOBS: Final = limit(
    "CRON_MAX_JOBS",
    40_000,
    "jobs",
    "cron triggers of all workers together: four times the number measured, and few enough that all that can be told "
    "of them fits the scheduler's mailbox; some 3 KB each, 11 with a schedule of its own",
)
CRON_EXPRESSION_CHARS: Final = limit(
    "CRON_EXPRESSION_CHARS", 2_000, "characters", "every second, minute and year listed one by one takes 1,200"
)
CRON_LOOK_S: Final = limit(
    "CRON_LOOK_S",
    1.0,
    "s",
    "while there are jobs the wall clock is read at least so often, so that one set forward or back is noticed",
)
CRON_LATE_S: Final = limit(
    "CRON_LATE_S",
    60.0,
    "s",
    "a tick that is later (the machine slept, the clock was set forward) is passed over: there is no catching up "
    "(cron.md §4); one less late is fired once",
)
CRON_BACK_S: Final = limit(
    "CRON_BACK_S",
    60.0,
    "s",
    "a clock set back by less is being corrected, and no tick is fired twice; one set further is taken at its word",
)
CRON_FAILURES_LOGGED_PER_S: Final = limit(
    "CRON_FAILURES_LOGGED_PER_S",
    20,
    "log lines/s",
    "failed runs; 10,000 jobs of every second whose worker is gone must not fill the disk",
)
CRON_LOCK_TTL_MS: Final = limit(
    "CRON_LOCK_TTL_MS",
    30_000,
    "ms",
    "the protocol's value (cron.md §5): how long a job's lock outlives an engine that died; a running job's is renewed",
)
CRON_TICK_MEMORY_MS: Final = limit(
    "CRON_TICK_MEMORY_MS",
    120_000,
    "ms",
    "how long Redis remembers which tick of a job was fired last: longer than any tick can be late, so that no engine "
    "fires it again",
)
