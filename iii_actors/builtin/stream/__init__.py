"""``iii-stream``: items by stream, group and id, triggers on what happens, and a socket to follow it (stream.md).

- :mod:`.worker`: the built-in worker: its functions, its trigger types;
- :mod:`.actor`: carries out the calls, on the engine's own store or through a custom provider;
- :mod:`.inputs`: what the functions take;
- :mod:`.providers`: what is asked of a custom provider, and what its answer means;
- :mod:`.events`: what happened, as everybody is told it;
- :mod:`.schemas`: what they answer, and the trigger type's shapes;
- :mod:`.watching`: which bindings an event concerns;
- :mod:`.audience`: who follows what on the subscription socket, and telling them;
- :mod:`.admission`: asking a function about who connects to it;
- :mod:`.joining`: the conversations there, whose messages are in :mod:`.socket_messages`;
- :mod:`.reading`: what a new subscriber is to see first.
"""

from iii_actors.builtin.stream.worker import Stream

__all__ = ["Stream"]
