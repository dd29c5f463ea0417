"""Alerts that are sent to a URL (observability.md §8), on a thread of their own. Imported when there is one to send."""

from __future__ import annotations

import logging
import threading

import requests
from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, Ref, ThreadedActor, handles
from iii_actors.builtin.http_functions.request import Request
from iii_actors.builtin.http_functions.session import PinnedSession, tls_context
from iii_actors.builtin.http_functions.urls import DEFAULT_PORTS, check, parse, system_resolver
from iii_actors.builtin.observability.alerts import AlertEvent
from iii_actors.config.http_functions import SecuritySettings
from iii_actors.errors import EngineError
from iii_actors.limits import WEBHOOK_TIMEOUT_S, WEBHOOKS_WAITING
from iii_actors.wire.codec import raw

__all__ = ["Post", "Webhooks"]

logger = logging.getLogger(__name__)


class Post:
    """Told to the webhooks: send this."""

    __slots__ = ("event", "url")

    def __init__(self, url: str, event: AlertEvent) -> None:
        self.url = url
        self.event = event


class Webhooks(ThreadedActor):
    """Sends alerts, one after the other; none is tried twice.

    :param rules: which URLs may be called: by default none on a private network.
    """

    def __init__(self, rules: SecuritySettings | None = None) -> None:
        super().__init__()
        self._rules = rules if rules is not None else SecuritySettings(require_https=False)
        self._room = threading.BoundedSemaphore(WEBHOOKS_WAITING)

    def on_start(self) -> None:
        """Runs on the actor's own thread: making a session takes a while."""
        self._session = PinnedSession()
        self._tls = tls_context(None)

    def on_stop(self) -> None:
        self._session.close()

    def offer(self, ref: Ref, post: Post) -> None:
        """Have an alert sent, unless too many wait. Any thread; does not wait."""
        if not self._room.acquire(blocking=False):
            logger.warning("Alert %s: its webhook is too slow; not sent", post.event.alert)
            return
        try:
            ref.tell(post)
        except (ActorDeadError, MailboxFull):
            self._room.release()

    @handles(Post)
    def post(self, post: Post) -> None:
        try:
            self._send(post)
        except EngineError as error:
            logger.warning("Alert %s: its webhook is not called: %s", post.event.alert, error)
        except (requests.RequestException, OSError) as error:
            logger.warning("Alert %s: its webhook failed: %s", post.event.alert, error)
        finally:
            self._room.release()

    def _send(self, post: Post) -> None:
        url = parse(post.url)
        addresses = check(url, self._rules, system_resolver)
        body = bytes(raw(post.event))
        headers = [("Host", url.authority), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        timeouts = (WEBHOOK_TIMEOUT_S, WEBHOOK_TIMEOUT_S)
        if url.scheme not in DEFAULT_PORTS or not addresses:
            raise requests.exceptions.InvalidSchema(f"{url.scheme} is no scheme for a webhook")
        with self._session.begin(url, addresses[0], Request("POST", headers, body), timeouts, self._tls) as response:
            if not response.ok:
                logger.warning("Alert %s: its webhook answered %d", post.event.alert, response.status_code)
