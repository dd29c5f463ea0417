"""The helpers under the names other SDKs give them; all take the client first (spec sdk.md §6.1, §6.8)."""

from __future__ import annotations

from iii_worker.channel import create_channel
from iii_worker.channel_refs import extract_channel_refs, is_channel_ref
from iii_worker.http import http
from iii_worker.pubsub import publish
from iii_worker.queue import publish_durable
from iii_worker.state import list_scopes
from iii_worker.stream import list_streams
from iii_worker.stream_provider import create_stream

__all__ = [
    "create_channel",
    "create_stream",
    "extract_channel_refs",
    "http",
    "is_channel_ref",
    "list_scopes",
    "list_streams",
    "publish",
    "publish_durable",
]
