"""The synchronous Python SDK of iii-compatible engines: ordinary blocking code, no event loop.

::

    import iii_worker

    worker = iii_worker.register_worker(worker_name="users")

    @worker.function("users::greet")
    def greet(data: dict) -> dict:
        return {"hello": data["name"]}

    print(worker.call("users::greet", {"name": "Ada"}, timeout=5))
    worker.run()
"""

from __future__ import annotations

# --- connection, calls ------------------------------------------------------------------------------------------------
from iii_worker.actions import EnqueueResult as EnqueueResult
from iii_worker.actions import TriggerAction as TriggerAction
from iii_worker.actions import TriggerActionEnqueue as TriggerActionEnqueue
from iii_worker.actions import TriggerActionVoid as TriggerActionVoid
from iii_worker.actions import TriggerRequest as TriggerRequest

# --- data (D) ---------------------------------------------------------------------------------------------------------
from iii_worker.channel import Channel as Channel
from iii_worker.channel import ChannelClosedError as ChannelClosedError
from iii_worker.channel import ChannelDirection as ChannelDirection
from iii_worker.channel import ChannelError as ChannelError
from iii_worker.channel import ChannelItem as ChannelItem
from iii_worker.channel import ChannelNotFoundError as ChannelNotFoundError
from iii_worker.channel import ChannelReader as ChannelReader
from iii_worker.channel import ChannelTimeoutError as ChannelTimeoutError
from iii_worker.channel import ChannelWriter as ChannelWriter
from iii_worker.channel import ReadableStream as ReadableStream
from iii_worker.channel import StreamChannelRef as StreamChannelRef
from iii_worker.channel import WritableStream as WritableStream
from iii_worker.channel import create_channel as create_channel
from iii_worker.channel import extract_channel_refs as extract_channel_refs
from iii_worker.channel import is_channel_ref as is_channel_ref
from iii_worker.client import IIIClient as IIIClient

# --- triggers, live registry (C) --------------------------------------------------------------------------------------
from iii_worker.engine import EngineFunctions as EngineFunctions
from iii_worker.engine import EngineTriggers as EngineTriggers
from iii_worker.entry import connect as connect
from iii_worker.entry import init as init
from iii_worker.entry import register_worker as register_worker
from iii_worker.errors import AddressError as AddressError
from iii_worker.errors import ConnectFailedError as ConnectFailedError
from iii_worker.errors import Error as Error
from iii_worker.errors import ForkedError as ForkedError
from iii_worker.errors import InvocationError as InvocationError
from iii_worker.errors import RegistrationRejectedError as RegistrationRejectedError

# --- functions (B) ----------------------------------------------------------------------------------------------------
from iii_worker.external import HttpAuthApiKey as HttpAuthApiKey
from iii_worker.external import HttpAuthBearer as HttpAuthBearer
from iii_worker.external import HttpAuthHmac as HttpAuthHmac
from iii_worker.external import HttpInvocationConfig as HttpInvocationConfig
from iii_worker.functions import FunctionConflictError as FunctionConflictError
from iii_worker.functions import FunctionRef as FunctionRef
from iii_worker.http import ApiRequest as ApiRequest
from iii_worker.http import ApiResponse as ApiResponse
from iii_worker.http import EventStream as EventStream
from iii_worker.http import HttpError as HttpError
from iii_worker.http import HttpRequest as HttpRequest
from iii_worker.http import HttpResponse as HttpResponse
from iii_worker.http import StreamRequest as StreamRequest
from iii_worker.http import StreamResponse as StreamResponse
from iii_worker.http import http as http
from iii_worker.inputs import InvalidRequestError as InvalidRequestError
from iii_worker.limits import DEFAULT_ENGINE_URL as DEFAULT_ENGINE_URL
from iii_worker.live import FunctionsView as FunctionsView
from iii_worker.live import WorkersView as WorkersView
from iii_worker.names import registerWorker as registerWorker

# --- sight, test kit (E) ----------------------------------------------------------------------------------------------
from iii_worker.observability import EngineLogHandler as EngineLogHandler
from iii_worker.observability import Logger as Logger
from iii_worker.observability import OtelConfig as OtelConfig
from iii_worker.observability import Span as Span
from iii_worker.observability import TraceContext as TraceContext
from iii_worker.observability import current_span_id as current_span_id
from iii_worker.observability import current_span_is_recording as current_span_is_recording
from iii_worker.observability import current_trace_id as current_trace_id
from iii_worker.observability import execute_traced_request as execute_traced_request
from iii_worker.observability import extract_baggage as extract_baggage
from iii_worker.observability import extract_traceparent as extract_traceparent
from iii_worker.observability import flush_otel as flush_otel
from iii_worker.observability import init_otel as init_otel
from iii_worker.observability import inject_baggage as inject_baggage
from iii_worker.observability import inject_traceparent as inject_traceparent
from iii_worker.observability import record_span_event as record_span_event
from iii_worker.observability import redact as redact
from iii_worker.observability import redact_and_truncate as redact_and_truncate
from iii_worker.observability import set_current_span_attribute as set_current_span_attribute
from iii_worker.observability import set_current_span_error as set_current_span_error
from iii_worker.observability import shutdown_otel as shutdown_otel
from iii_worker.observability import trace_context as trace_context
from iii_worker.observability import with_span as with_span
from iii_worker.options import InitOptions as InitOptions
from iii_worker.options import ReconnectionConfig as ReconnectionConfig
from iii_worker.options import TelemetryOptions as TelemetryOptions
from iii_worker.pubsub import publish as publish
from iii_worker.queue import DeadLetter as DeadLetter
from iii_worker.queue import DurableTopic as DurableTopic
from iii_worker.queue import NamedQueue as NamedQueue
from iii_worker.queue import publish_durable as publish_durable
from iii_worker.rbac import AuthInput as AuthInput
from iii_worker.rbac import AuthResult as AuthResult
from iii_worker.rbac import MiddlewareFunctionInput as MiddlewareFunctionInput
from iii_worker.rbac import OnFunctionRegistrationInput as OnFunctionRegistrationInput
from iii_worker.rbac import OnFunctionRegistrationResult as OnFunctionRegistrationResult
from iii_worker.rbac import OnTriggerRegistrationInput as OnTriggerRegistrationInput
from iii_worker.rbac import OnTriggerRegistrationResult as OnTriggerRegistrationResult
from iii_worker.rbac import OnTriggerTypeRegistrationInput as OnTriggerTypeRegistrationInput
from iii_worker.rbac import OnTriggerTypeRegistrationResult as OnTriggerTypeRegistrationResult
from iii_worker.registry_rows import FunctionInfo as FunctionInfo
from iii_worker.registry_rows import FunctionsChange as FunctionsChange
from iii_worker.registry_rows import WorkerInfo as WorkerInfo
from iii_worker.registry_rows import WorkersChange as WorkersChange
from iii_worker.state import IState as IState
from iii_worker.state import StateDeleteInput as StateDeleteInput
from iii_worker.state import StateDeleteResult as StateDeleteResult
from iii_worker.state import StateEventData as StateEventData
from iii_worker.state import StateEventType as StateEventType
from iii_worker.state import StateGetInput as StateGetInput
from iii_worker.state import StateListInput as StateListInput
from iii_worker.state import StateScope as StateScope
from iii_worker.state import StateSetInput as StateSetInput
from iii_worker.state import StateSetResult as StateSetResult
from iii_worker.state import StateUpdateInput as StateUpdateInput
from iii_worker.state import StateUpdateResult as StateUpdateResult
from iii_worker.state import list_scopes as list_scopes
from iii_worker.states import ConnectionStateCallback as ConnectionStateCallback
from iii_worker.states import IIIConnectionState as IIIConnectionState
from iii_worker.stream import IStream as IStream
from iii_worker.stream import Stream as Stream
from iii_worker.stream import StreamAuthInput as StreamAuthInput
from iii_worker.stream import StreamAuthResult as StreamAuthResult
from iii_worker.stream import StreamChangeEvent as StreamChangeEvent
from iii_worker.stream import StreamChangeEventDetail as StreamChangeEventDetail
from iii_worker.stream import StreamDeleteInput as StreamDeleteInput
from iii_worker.stream import StreamDeleteResult as StreamDeleteResult
from iii_worker.stream import StreamGetInput as StreamGetInput
from iii_worker.stream import StreamJoinLeaveEvent as StreamJoinLeaveEvent
from iii_worker.stream import StreamJoinLeaveTriggerConfig as StreamJoinLeaveTriggerConfig
from iii_worker.stream import StreamJoinResult as StreamJoinResult
from iii_worker.stream import StreamListGroupsInput as StreamListGroupsInput
from iii_worker.stream import StreamListInput as StreamListInput
from iii_worker.stream import StreamProvider as StreamProvider
from iii_worker.stream import StreamSetInput as StreamSetInput
from iii_worker.stream import StreamSetResult as StreamSetResult
from iii_worker.stream import StreamTriggerConfig as StreamTriggerConfig
from iii_worker.stream import StreamUpdateInput as StreamUpdateInput
from iii_worker.stream import StreamUpdateResult as StreamUpdateResult
from iii_worker.stream import create_stream as create_stream
from iii_worker.stream import list_streams as list_streams
from iii_worker.trigger_config import TriggerConfig as TriggerConfig
from iii_worker.trigger_config import TriggerHandler as TriggerHandler
from iii_worker.trigger_inputs import RegisterServiceInput as RegisterServiceInput
from iii_worker.trigger_inputs import RegisterTriggerInput as RegisterTriggerInput
from iii_worker.trigger_inputs import RegisterTriggerTypeInput as RegisterTriggerTypeInput
from iii_worker.trigger_inputs import UnregisterTriggerTypeInput as UnregisterTriggerTypeInput
from iii_worker.trigger_types import TriggerTypeRef as TriggerTypeRef
from iii_worker.triggers import Trigger as Trigger
from iii_worker.triggers import TriggerRegistrationError as TriggerRegistrationError
from iii_worker.typed_values import ValueMismatchError as ValueMismatchError
from iii_worker.update_ops import Update as Update
from iii_worker.update_ops import UpdateAppend as UpdateAppend
from iii_worker.update_ops import UpdateDecrement as UpdateDecrement
from iii_worker.update_ops import UpdateFailedError as UpdateFailedError
from iii_worker.update_ops import UpdateIncrement as UpdateIncrement
from iii_worker.update_ops import UpdateMerge as UpdateMerge
from iii_worker.update_ops import UpdateOp as UpdateOp
from iii_worker.update_ops import UpdateOpError as UpdateOpError
from iii_worker.update_ops import UpdateRemove as UpdateRemove
from iii_worker.update_ops import UpdateSet as UpdateSet
from iii_worker.values import NotJsonError as NotJsonError
from iii_worker.values import register_encoder as register_encoder
from iii_worker.version import __version__ as __version__
