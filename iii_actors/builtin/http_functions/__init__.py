"""``iii-http-functions``: functions that are invoked over HTTP (core.md §5).

- :mod:`.worker`: the worker, and what it does at registration;
- :mod:`.dispatcher`, :mod:`.caller`, :mod:`.line`: which thread makes which call, and how one is ended;
- :mod:`.urls`, :mod:`.addresses`: what a URL names, and whether it may be called;
- :mod:`.invocation`, :mod:`.request`, :mod:`.response`: from a registration to a request, from a response to a result;
- :mod:`.session`: ``requests``, connected to the addresses that were checked.
"""

from iii_actors.builtin.http_functions.worker import HttpFunctions

__all__ = ["HttpFunctions"]
