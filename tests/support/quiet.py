"""Waiting for the moment when nothing more can come, without sleeping."""

from iii_actors import Engine
from iii_actors.core.messages import WorkerEvent
from iii_actors.core.queries import WatchWorkers
from tests.support.peer import Frame, Peer
from tests.support.probe import watching

NOBODY = "nobody::has::this"


def settle(peer: Peer) -> None:
    """Return when the engine is through with everything this worker has said so far, calls included.

    A call that finds no function takes the same way as every other and is answered behind them.
    """
    invocation_id = peer.start_call(NOBODY)
    assert peer.expect(type="invocationresult", invocation_id=invocation_id)["error"]["code"] == "function_not_found"


def unexpected(peer: Peer) -> list[Frame]:
    """Settle, then return every frame that nobody has waited for."""
    settle(peer)
    return list(peer.seen)


def leave(engine: Engine, peer: Peer, how: str = "close") -> None:
    """End a worker's connection (``close`` or ``cut``) and return when the engine has cleaned up after it."""
    with watching(engine.core.workers, WatchWorkers) as watcher:
        getattr(peer, how)()
        while watcher.next() != WorkerEvent("worker_disconnected", peer.worker_id):
            pass
