"""``iii-cron``: functions called by the clock (cron.md).

`expression` reads a schedule's text, `calendar` knows when it is next by the wall clock, `zones` when that is on the
time line; `agenda` keeps all schedules in a heap. `job` is a trigger as it is kept, `locks` and `redis_locks` say which
of several engines may run it, and the `scheduler` is the actor that does. `worker` puts it all together.
"""

from iii_actors.builtin.cron.worker import Cron

__all__ = ["Cron"]
