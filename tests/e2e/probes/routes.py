"""An official Python SDK worker that serves HTTP routes under ``/<name>/``; routes.mjs serves the same.

    III_URL=ws://... python routes.py NAME

Says ``@ready`` when its routes are there. Runs with the SDK's environment, so it imports nothing but the SDK.
"""

import asyncio
import hashlib
import signal
import sys
import warnings

from iii import InitOptions, InvocationError, register_worker
from iii_helpers.http import http

warnings.simplefilter("ignore")
name = sys.argv[1]
worker = register_worker(options=InitOptions(worker_name=name))


def route(method, path, handler, **config):
    function_id = f"{name}::{method}::{path}"
    worker.register_function(function_id, handler)
    config |= {"api_path": f"{name}/{path}", "http_method": method}
    worker.register_trigger({"type": "http", "function_id": function_id, "config": config})


def item(data):
    body = {key: data[key] for key in ("path_params", "query_params", "body", "method", "path")}
    return {"status_code": 201, "headers": {"x-worker": name}, "body": body}


def text(_data):
    return {"status_code": 200, "headers": {"content-type": "text/plain"}, "body": "plain"}


def fail(_data):
    raise ValueError("it was meant to fail")


@http
async def events(request, response):
    await response.status(200)
    await response.headers({"content-type": "text/event-stream", "cache-control": "no-cache"})
    for number in range(int(request.query_params["count"])):
        await response.writer.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(0.01)
    await response.writer.close_async()


@http
async def digest(request, response):
    content = await request.request_body.read_all()
    return {"status_code": 200, "body": {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}}


@http
async def download(request, response):
    length = int(request.query_params["length"])
    await response.headers({"content-type": "application/octet-stream", "content-length": str(length)})
    await response.writer.write(b"x" * length)
    await response.writer.close_async()


def guard(data):
    if data["request"]["headers"].get("authorization") == "Bearer good":
        return {"action": "continue"}
    return {"action": "respond", "response": {"status_code": 401, "body": {"error": "who are you?"}}}


worker.register_function(f"{name}::guard", guard)
worker.register_function(f"{name}::even", lambda data: int(data["path_params"]["n"]) % 2 == 0)
route("POST", "items/:id", item)
route("GET", "text", text)
route("GET", "fail", fail)
route("GET", "events", events)
route("PUT", "digest", digest)
route("GET", "download", download)
route("GET", "guarded", text, middleware_function_ids=[f"{name}::guard"])
route("GET", "even/:n", text, condition_function_id=f"{name}::even")

try:
    worker.trigger({"function_id": "probe::barrier", "payload": None})
except InvocationError as error:
    assert error.code == "function_not_found", error
print("@ready", flush=True)
signal.sigwait([signal.SIGTERM, signal.SIGINT])
