"""Users over HTTP: create, list, read, change and delete, in plain functions with their routes above them.

The engine needs its HTTP worker, in a file such as engine.yaml:

    workers: [{name: iii-http}]

    python -m iii_actors -c engine.yaml
    python examples/sdk/users_http.py
    curl -i -H 'content-type: application/json' -d '{"name": "Ada"}' http://127.0.0.1:3111/users

`HttpRequest[User]` says what a body must be: any other is answered with 400 and what is wrong with it.
"""

import threading

from pydantic import BaseModel, Field

import iii_worker
from iii_worker import HttpError, HttpRequest, HttpResponse

worker = iii_worker.register_worker(worker_name="users")
users: dict[str, dict] = {}
lock = threading.Lock()  # handlers run on several threads


class User(BaseModel):
    """The body of a request."""

    name: str = Field(min_length=1)


@worker.http("GET", "/users")
@worker.http("POST", "/users")
def everybody(req: HttpRequest[User]) -> HttpResponse:
    """List the users, or add one."""
    with lock:
        if req.method == "GET":
            return HttpResponse(body=list(users.values()))
        user = {"id": str(len(users) + 1), "name": req.body.name}
        users[user["id"]] = user
    return HttpResponse(status_code=201, headers={"location": f"/users/{user['id']}"}, body=user)


@worker.http("GET", "/users/:id")
@worker.http("PUT", "/users/:id")
@worker.http("DELETE", "/users/:id")
def one(req: HttpRequest[User]) -> HttpResponse:
    """Show a user, or change or remove it."""
    with lock:
        user = users.get(req.path_params["id"])
        if user is None:
            raise HttpError(404, f"there is no user {req.path_params['id']}", code="user_not_found")
        if req.method == "PUT":
            user["name"] = req.body.name
        return HttpResponse(body=users.pop(user["id"]) if req.method == "DELETE" else user)


print("READY", len([route for route in worker.triggers if route.wait(10)]), "routes", flush=True)
worker.run()
