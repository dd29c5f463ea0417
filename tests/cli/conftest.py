import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from iii_actors.cli import main

Message = dict[str, Any]


class ScriptedEngine:
    """Speaks as much of the protocol as a client sees, and answers calls from :attr:`answers`."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Message], Message | None]] = {}
        """Function id to what makes ``{"result": ...}`` or ``{"error": ...}`` of a call; None never answers."""
        self.messages: list[Message] = []
        self.noise: list[str] = []
        """Frames sent ahead of every answer."""
        self.hang_up = False
        self._server = serve(self._serve, "127.0.0.1", 0, compression="deflate", max_size=None)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def returns(self, function_id: str, result: object) -> None:
        self.answers[function_id] = lambda _message: {"result": result}

    @property
    def calls(self) -> list[Message]:
        return [message for message in self.messages if "invocation_id" in message]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()

    def _serve(self, connection: Any) -> None:
        self.extensions = connection.request.headers.get("Sec-WebSocket-Extensions")
        connection.send(json.dumps({"type": "workerregistered", "worker_id": "w", "reattach_token": "t"}))
        try:
            for text in connection:
                message = json.loads(text)
                self.messages.append(message)
                if "invocation_id" in message:
                    self._answer(connection, message)
        except ConnectionClosed:
            pass

    def _answer(self, connection: Any, message: Message) -> None:
        if self.hang_up:
            connection.close(1012)
            return
        for frame in self.noise:
            connection.send(frame)
        body = self.answers[message["function_id"]](message)
        if body is not None:
            echo = {key: message[key] for key in ("invocation_id", "function_id")}
            connection.send(json.dumps({"type": "invocationresult", **echo, **body}))


@pytest.fixture
def scripted():
    engine = ScriptedEngine()
    yield engine
    engine.stop()


@pytest.fixture
def free_port():
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as briefly:
        return briefly.getsockname()[1]


@pytest.fixture
def one_reply():
    """Start a server that sends the same bytes to everyone, whatever they ask."""
    listeners, threads = [], []

    def start(reply: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        listeners.append(listener)
        return listener.getsockname()[1]

    yield start
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


class Outcome:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys):
    """Run a command in this process."""

    def run_command(*arguments: object) -> Outcome:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(code, out, err)

    return run_command
