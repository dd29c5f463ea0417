"""``iii-http``: functions behind HTTP routes (http.md).

- :mod:`.worker`: the built-in worker; :mod:`.server`: its thread; :mod:`.connection`, :mod:`.turn`: clients;
- :mod:`.paths`, :mod:`.table`, :mod:`.routes`: which route a request leads to;
- :mod:`.front`: what every request is answered with; :mod:`.exchange`: one that has a route;
- :mod:`.request`, :mod:`.json_text`, :mod:`.upload`, :mod:`.lending`: what the handler is given;
- :mod:`.replies`, :mod:`.stream`, :mod:`.sending`, :mod:`.cors`: what the client is given;
- :mod:`.calls`, :mod:`.bell`, :mod:`.pending`: calls, their outcomes, and waiting for them.
"""

from iii_actors.builtin.http.replies import Reply
from iii_actors.builtin.http.table import Route
from iii_actors.builtin.http.worker import Http

__all__ = ["Http", "Reply", "Route"]
