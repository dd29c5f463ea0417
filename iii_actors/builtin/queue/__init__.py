"""``iii-queue``: named queues, durable topics, dead letters (queue.md).

- :mod:`.worker`: the built-in worker: opens the broker, registers functions and the trigger type;
- :mod:`.actor`: carries out the calls and serves the triggers; :mod:`.messages`: what else it is told;
- :mod:`.catalogue`: which queues there are; :mod:`.lookup`: what a name means; :mod:`.places`: the records of both;
- :mod:`.consumer`: one actor per queue, which has the jobs' functions called; :mod:`.tuning`: by which rules;
- :mod:`.producing`: takes jobs in; :mod:`.fields`: reads the one field of their data that matters;
- :mod:`.inspecting`, :mod:`.mending`: the protocol's functions for operators, and ours; :mod:`.gathering`: over several
  queues;
- :mod:`.inputs`, :mod:`.schemas`, :mod:`.errors`: what the functions take, answer and refuse.

What keeps the jobs is a broker: :mod:`iii_actors.brokers`.
"""

from iii_actors.builtin.queue.worker import Queue

__all__ = ["Queue"]
