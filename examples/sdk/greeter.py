"""Hello, part one of two: a worker that offers a function.

    python -m iii_actors                   # the engine, in one terminal
    python examples/sdk/greeter.py         # this worker, in another; Ctrl-C stops it
    python examples/sdk/guest.py Ada       # the worker that calls it, in a third

A worker is any program that connects. `register_worker()` finds the engine where `III_URL` says, else on this machine.
The decorator offers a plain function under an id that everybody may call; the hints say what it takes and returns:
the engine shows that as a schema, and input that does not fit is answered with an error that names what is wrong.
`worker.run()` serves until Ctrl-C, and lets what is under way end.
"""

from dataclasses import dataclass

import iii_worker

worker = iii_worker.register_worker(worker_name="greeter")


@dataclass
class Visitor:
    """Somebody to be greeted."""

    name: str
    language: str = "en"


@worker.function("greetings::hello")
def hello(visitor: Visitor) -> dict[str, str]:
    """Greet a visitor in English, German or Norwegian."""
    words = {"en": "Hello", "de": "Guten Tag", "no": "God dag"}
    if visitor.language not in words:
        raise iii_worker.Error(f"I speak {', '.join(words)}", code="unknown_language")
    return {"text": f"{words[visitor.language]}, {visitor.name}!"}


print("READY greetings::hello", flush=True)
worker.run()
