"""The workers of `examples/`: they find each other, work together, and go on whatever is killed.

Every line that these tests wait for is printed by the examples for their human readers.
"""

import signal
import subprocess
import sys

import pytest

from tests.e2e.support.environments import EXAMPLES
from tests.e2e.support.process import environment

USERS_HAS_WORKED = (
    r"^PEER orders is here, with orders::create, orders::get",
    r"^OK orders::create -> .*'customer': 'Ada'",
    r"^OK orders::get -> .*'customer': 'Ada'",
    r"^OK orders::create for nobody -> invocation_failed: .*nobody has the number -1",
    r"^OK orders::cancel, which nobody offers -> function_not_found: Function orders::cancel not found",
    r"^DONE orders gave what it promised$",
    r"^BOUND users::created -> orders::on_user_created$",
    r"^EVENT orders::placed -> order \d+ of Ada$",
)
ORDERS_HAS_WORKED = (
    r"^PEER users is here, with users::create, .*users::get$",
    r'^OK users::create -> \{.*"name":"Grace"',
    r'^OK users::get -> \{.*"name":"Grace"',
    r"^OK users::get for nobody -> .*nobody has the number -1",
    r"^OK users::delete, which nobody offers -> .*function_not_found: Function users::delete not found",
    r"^DONE users gave what it promised$",
    r"^BOUND orders::placed -> users::on_order_placed$",
    r"^EVENT users::created -> user \d+, Grace$",
)


class World:
    """An engine, the worker ``users`` in Python and the worker ``orders`` in Node."""

    def __init__(self, shop, python_sdk, *engine_arguments):
        self.shop = shop
        self.python_sdk = python_sdk
        self.engine = shop.engine(*engine_arguments)
        self.start_users()
        self.start_orders()

    def start_users(self):
        self.users = self.shop.example(self.python_sdk, self.engine.url)

    def start_orders(self):
        self.orders = self.shop.example("node", self.engine.url)

    def marks(self):
        return self.users.mark(), self.orders.mark()

    def expect_work(self, users_after=0, orders_after=0):
        """Both have met, and each has had from the other what it promised."""
        for line in USERS_HAS_WORKED:
            self.users.expect(line, after=users_after)
        for line in ORDERS_HAS_WORKED:
            self.orders.expect(line, after=orders_after)
        assert not [line for line in self.users.lines + self.orders.lines if line.startswith("WRONG")]

    def start_call(self, function_id, *arguments):
        """``iii-actors call``, as somebody at a shell would."""
        command = [sys.executable, "-m", "iii_actors", "call", function_id, *arguments, "--port", str(self.engine.port)]
        return self.shop.run("call", command)

    def call(self, function_id, *arguments):
        call = self.start_call(function_id, *arguments)
        code = call.exit_code()
        call.wait_for(lambda: call.ended, "the end of its output")
        return code, "\n".join(call.lines)


@pytest.fixture
def world(shop, python_sdk):
    made = World(shop, python_sdk)
    made.expect_work()
    return made


def test_they_find_each_other_and_work_together(world):
    assert world.call("users::get", "user_id=1") == (0, '{\n  "user_id": 1,\n  "name": "Ada"\n}')
    assert world.call("orders::get", "order_id=1") == (
        0,
        '{\n  "order_id": 1,\n  "item": "tea",\n  "customer": "Ada"\n}',
    )
    code, said = world.call("orders::nonsense")
    assert code == 1
    assert "function_not_found" in said
    assert world.engine.faults() == []


def test_orders_is_killed_while_somebody_waits_for_it_and_comes_again(world):
    call = world.start_call("orders::pack")
    world.orders.expect("^PACKING")
    users_before = world.users.mark()
    world.orders.kill()
    call.expect("invocation_stopped")
    assert call.exit_code() == 1
    world.users.expect("^PEER orders has left$", after=users_before)
    world.users.expect("^UNBOUND users::created -> orders::on_user_created$", after=users_before)
    assert world.call("users::get", "user_id=1")[0] == 0, "the survivor goes on"
    users_before = world.users.mark()
    world.start_orders()
    world.expect_work(users_after=users_before)


def test_users_is_killed_while_somebody_waits_for_it_and_comes_again(world):
    call = world.start_call("users::export")
    world.users.expect("^EXPORTING")
    orders_before = world.orders.mark()
    world.users.kill()
    call.expect("invocation_stopped")
    assert call.exit_code() == 1
    world.orders.expect("^PEER users has left$", after=orders_before)
    world.orders.expect("^UNBOUND orders::placed -> users::on_order_placed$", after=orders_before)
    assert world.call("orders::get", "order_id=1")[0] == 0, "the survivor goes on"
    orders_before = world.orders.mark()
    world.start_users()
    world.expect_work(orders_after=orders_before)


def test_the_engine_is_killed_and_started_again(world):
    for _ in range(2):
        before = world.marks()
        world.engine.kill()
        world.users.expect("^CONNECTION (disconnected|reconnecting)", after=before[0])
        before = world.marks()
        world.engine.start()
        world.users.expect("^CONNECTION connected", after=before[0])
        world.expect_work(*before)
        assert world.engine.faults() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_engine_is_stopped_and_started_again(world, number):
    before = world.marks()
    code, seconds = world.engine.stop(number)
    assert code == 0
    assert seconds < 4
    assert world.engine.faults() == []
    world.users.expect("^CONNECTION (disconnected|reconnecting)", after=before[0])
    before = world.marks()
    world.engine.start()
    world.expect_work(*before)


def test_with_a_thread_that_reads_for_each_connection(shop, python_sdk):
    world = World(shop, python_sdk, "--reader", "own")
    world.expect_work()
    before = world.marks()
    world.engine.kill()
    world.engine.start()
    world.expect_work(*before)
    assert world.engine.stop()[0] == 0
    assert world.engine.faults() == []


def test_they_may_be_started_before_the_engine(shop, python_sdk):
    world = World(shop, python_sdk)
    world.expect_work()
    world.engine.kill()
    world.users.kill()
    world.orders.kill()
    world.start_users()
    world.users.expect("^Connection failed")
    world.start_orders()
    world.orders.expect("^READY")
    world.engine.start()
    world.expect_work()


@pytest.mark.parametrize("worker", ["users", "orders"])
def test_they_stop_when_asked_to(world, worker):
    process = getattr(world, worker)
    process.send_signal(signal.SIGTERM)
    assert process.exit_code() == 0
    survivor, line = (world.orders, "users has left") if worker == "users" else (world.users, "orders has left")
    survivor.expect(f"^PEER {line}$")


def test_the_engine_as_a_library(tmp_path):
    command = [sys.executable, EXAMPLES / "library" / "in_process.py"]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Hello, Ada!" in done.stdout
    assert "stopped; threads left: ['MainThread']" in done.stdout
    assert done.stderr == ""
