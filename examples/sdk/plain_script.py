"""Plain code that needs an answer: a script, a Flask view, a notebook, a cron job. As short as with `requests`.

    python examples/sdk/greeter.py                       # somebody who offers functions
    python examples/sdk/plain_script.py list
    python examples/sdk/plain_script.py greetings::hello '{"name": "Ada"}'

No loop, no async, no thread of yours: connect, call, use the result. In a web application make one client when it
starts and call it from every view: a client may be used by any number of threads at once.
"""

import json
import sys

import iii_worker

if len(sys.argv) < 2:
    sys.exit("usage: plain_script.py list | FUNCTION [JSON]")

try:
    with iii_worker.connect(connect_timeout=5) as engine:
        if sys.argv[1] == "list":
            for function_id, function in engine.functions.items():
                print(f"{function_id:30} {function.worker_name:15} {function.description or ''}")
        else:
            payload = json.loads(sys.argv[2]) if len(sys.argv) > 2 else None
            print(json.dumps(engine.call(sys.argv[1], payload, timeout=10), indent=2))
except (iii_worker.Error, ValueError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
