"""Orders over HTTP: a queue charges them, with retries, and a durable topic has them shipped.

The engine needs a file such as engine.yaml:

    workers: [{name: iii-http}, {name: iii-state},
              {name: iii-queue, config: {queue_configs: {payments: {max_retries: 2, backoff_ms: 100}}}}]

    python -m iii_actors -c engine.yaml
    python examples/sdk/orders.py
    curl -H 'content-type: application/json' -d '{"id": "7", "card": "shaky"}' http://127.0.0.1:3111/orders

A `shaky` card is taken at the second try; a `stolen` one never: its order ends among the dead letters.
"""

import iii_worker
from iii_worker import HttpRequest, HttpResponse

worker = iii_worker.register_worker(worker_name="orders")
orders, payments, paid = worker.state("orders"), worker.named_queue("payments"), worker.durable_topic("orders.paid")


@worker.http("POST", "/orders")
def take(req: HttpRequest) -> HttpResponse:
    """Answer as soon as the order is safe; an order that is sent twice is charged once."""
    order_id = req.body["id"]
    if orders.get(order_id) is None:
        orders.set(order_id, {**req.body, "tries": 0, "status": "taken"})
    worker.enqueue("orders::charge", order_id, "payments", idempotency_key=order_id)
    return HttpResponse(status_code=202)


@worker.http("GET", "/orders")
def show(_: HttpRequest) -> HttpResponse:
    """Show all orders, and those that could not be charged."""
    return HttpResponse(body=[orders.list(), [one.payload for one in payments.dead_letters()]])


@worker.function("orders::charge")
def charge(order_id: str) -> None:
    """Raising means: try again later."""
    order = orders.get(order_id)
    orders.set(order_id, {**order, "tries": order["tries"] + 1})
    if order["tries"] < {"good": 0, "shaky": 1}.get(order["card"], 99):
        raise iii_worker.Error("no money", code="declined")
    paid.publish(order_id, idempotency_key=order_id)


@worker.queue("orders.paid")
def ship(order_id: str) -> None:
    """Ship what is paid."""
    orders.set(order_id, {**orders.get(order_id), "status": "shipped"})


print("READY", len([one for one in worker.triggers if one.wait(10)]), "triggers", flush=True)
worker.run()
