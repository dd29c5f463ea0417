"""placeholder while the channel code is being written"""

from __future__ import annotations
from typing import Any


class ChannelEnds:
    def __init__(self, core: Any) -> None: ...
    def check(self, request: Any) -> None: ...
    def serve(self, sock: Any, frames: Any, request: Any) -> None: ...
