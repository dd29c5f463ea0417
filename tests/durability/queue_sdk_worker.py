"""A worker that does jobs until it is killed, and says so; run by the test beside it.

``work <n>`` before each job is done, and ``fail <n>`` if it is made to fail: every seventh does at its first try.
"""

import sys
import threading

import iii_worker
from iii_worker.options import ReconnectionConfig
from tests.durability.storage_writer import say

FUNCTION = "kill::work"
AT_ONCE = ReconnectionConfig(initial_delay_ms=5, max_delay_ms=50)


def main() -> None:
    worker = iii_worker.register_worker(sys.argv[1], worker_name="working", reconnection_config=AT_ONCE)
    failed: set[int] = set()

    def work(data: dict[str, int]) -> None:
        number = data["n"]
        if number % 7 == 0 and number not in failed:
            failed.add(number)
            say(f"fail {number}")
            raise ValueError("not at the first try")
        say(f"work {number}")

    worker.register_function(FUNCTION, work)
    threading.Event().wait()


if __name__ == "__main__":
    main()
