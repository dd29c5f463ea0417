"""One worker in Python, with this SDK, and one in Node, with the official one: they bind to each other and call.

    python examples/sdk/with_node.py                             # "shop"
    cd examples/node && npm ci && node prices.mjs                # "prices"

`prices` offers `prices::get` and the trigger type `prices::changed`. `shop` binds a function to it, which needs nothing
to be there yet: the engine keeps the binding until somebody provides the type. `shop` offers `shop::sell`, and the
trigger type `shop::sold`, which `prices` has bound: each larger sale makes that thing dearer, which `shop` hears of.
"""

from pydantic import BaseModel

import iii_worker
from iii_worker import TriggerConfig

worker = iii_worker.register_worker(worker_name="shop")


class Sale(BaseModel):
    """What is sold."""

    item: str
    count: int = 1


class OnlyIf(BaseModel):
    """What a binding to `shop::sold` may ask for; a config that does not fit is refused, with the reason."""

    at_least: int = 1


sold = worker.register_trigger_type({"id": "shop::sold", "description": "Sold", "trigger_request_format": OnlyIf})


@worker.function("shop::sell")
def sell(sale: Sale) -> dict:
    """Sell some of an item, at today's price."""
    price = worker.call("prices::get", {"item": sale.item}, timeout=5)["price"]

    def wanted(binding: TriggerConfig[OnlyIf]) -> bool:
        return sale.count >= binding.config.at_least

    print("SOLD", sale.count, sale.item, "at", price, flush=True)
    sold.fire(sale, where=wanted)
    return {"total": sale.count * price}


@worker.on("prices::changed", {"item": "tea"})
def price_changed(data: dict) -> None:
    """Hear of the new price of tea."""
    print("PRICE", data["item"], data["price"], flush=True)


print("READY shop::sell", flush=True)
print("FOUND prices::get by", worker.wait_for_function("prices::get", timeout=120).worker_name, flush=True)
worker.run()
