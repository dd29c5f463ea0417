"""What the bridge answers here: the functions that it forwards, and ``bridge.invoke``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from iii_actors.actor import LightActor, handles
from iii_actors.builtin.base import Call
from iii_actors.builtin.inputs import Input
from iii_actors.config.bridge import ForwardSettings
from iii_actors.core.messages import Forward
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError
from iii_actors.limits import BRIDGE_LONGEST_S, BRIDGE_TIMEOUT_S
from iii_actors.remote import Failed, Link

__all__ = ["INVOKE", "INVOKE_ASYNC", "BridgeDesk", "BridgeError", "InvokeInput"]

INVOKE: Final = "bridge.invoke"
INVOKE_ASYNC: Final = "bridge.invoke_async"

_encode: Final = msgspec.json.Encoder().encode


class BridgeError(EngineError):
    """The other engine, or the way to it, has failed; the message begins with the code from there."""

    code = "bridge_error"


class InvokeInput(Struct):
    """A call of any function of the other engine."""

    function_id: str
    data: Annotated[Raw, Meta(description="What it is called with")] | UnsetType = UNSET
    timeout_ms: Annotated[int, Meta(ge=1, le=int(BRIDGE_LONGEST_S * 1000))] | None = None


_INPUTS: Final = {name: Input(name, InvokeInput, "BridgeInvokeInput") for name in (INVOKE, INVOKE_ASYNC)}


class BridgeDesk(LightActor):
    """Passes calls on to the other engine, and its answers back."""

    def __init__(self, core: Core, link: Link, forward: Mapping[str, ForwardSettings]) -> None:
        super().__init__()
        self._invocations = core.invocations
        self._link = link
        self._forward = forward

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        call = Call(forward, self._invocations)
        listed = self._forward.get(call.function_id)
        if listed is not None:
            self._pass_on(call, listed.remote_function, call.data, listed.timeout_ms / 1000)
            return
        try:
            given = _INPUTS[call.function_id].read(call.data)
        except EngineError as error:
            call.fail(error)
            return
        timeout_s = given.timeout_ms / 1000 if given.timeout_ms is not None else BRIDGE_TIMEOUT_S
        data = Raw(b"null") if isinstance(given.data, UnsetType) else given.data
        if call.function_id == INVOKE:
            self._pass_on(call, given.function_id, data, timeout_s)
        else:
            self._link.call(given.function_id, data, lambda _result, _failed: None, timeout_s)
            call.answer(None)

    def _pass_on(self, call: Call, function_id: str, data: Raw, timeout_s: float) -> None:
        def settled(result: Any, failed: Failed | None) -> None:
            if failed is not None:
                call.fail(BridgeError(f"{failed.code}: {failed.message}"))
            else:
                call.answer_text(None if result is None else _encode(result))

        self._link.call(function_id, data, settled, timeout_s)
