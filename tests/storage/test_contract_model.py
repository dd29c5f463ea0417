"""Any sequence of operations does to a store what it does to a plain dictionary, waited for or not."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iii_actors.errors import EngineError
from iii_actors.storage import VersionConflict
from tests.storage.asking import Answers, result

PARTS = st.sampled_from(["", "a", "b", "a\0", "\U0010ffff"])
SCOPES = st.tuples(PARTS) | st.tuples(PARTS, PARTS)
KEYS = st.sampled_from(["", "k", "l", "\0", "k\0", "\u00e4"])
EXPECTED = st.sampled_from([None, None, None, "none", "current", "other"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), SCOPES, KEYS, EXPECTED),
        st.tuples(st.just("update"), SCOPES, KEYS, EXPECTED),
        st.tuples(st.just("refuse"), SCOPES, KEYS, EXPECTED),
        st.tuples(st.just("delete"), SCOPES, KEYS, EXPECTED),
        st.tuples(st.just("get"), SCOPES, KEYS),
        st.tuples(st.just("get_many"), SCOPES, st.lists(KEYS, max_size=4)),
        st.tuples(st.just("list"), SCOPES),
        st.tuples(st.just("list_keys"), SCOPES),
        st.tuples(st.just("scopes"), st.tuples() | SCOPES),
        st.tuples(st.just("wait")),
    ),
    max_size=40,
)
EXAMPLES = itertools.count()


class Refused(EngineError):
    code = "refused"


def refuse(old):
    raise Refused("no")


class Model:
    """The dictionary. Every example has scopes of its own, as the store is not made anew."""

    def __init__(self, backend):
        self.scopes = {}
        self.mine = f"example {next(EXAMPLES)} "
        self.parts = backend.parts
        self.ordered = backend.ordered

    def scope(self, scope):
        """Return what a scope of the example is called in the store."""
        if self.parts is None:
            return (self.mine, *scope)
        return (f"{self.mine}{scope!r}",) * self.parts if scope else ()

    def check(self, asked, answer, error):
        """Do it here too, and compare."""
        what, scope, *rest = asked
        values = self.scopes.get(scope, {})
        if what == "get":
            assert answer == values.get(rest[0])
        elif what == "get_many":
            assert list(answer) == [values.get(key) for key in rest[0]]
        elif what in ("list", "list_keys"):
            expected = list(values.items() if what == "list" else values)
            assert list(answer) == expected if self.ordered else sorted(answer) == sorted(expected)
        elif what == "scopes":
            below = [name for name, held in self.scopes.items() if held and name[: len(scope)] == scope]
            if self.parts is not None and scope:
                below = [name for name in below if name == scope]
            found = [name for name in answer if name[0].startswith(self.mine)]
            assert found == sorted(self.scope(name) for name in below)
        else:
            self.check_write(what, scope, rest[0], rest[1], answer, error)

    def check_write(self, what, scope, key, if_version, answer, error):
        values = self.scopes.setdefault(scope, {})
        old = values.get(key)
        if if_version is not None and if_version != (old.version if old else 0):
            assert isinstance(error, VersionConflict)
        elif what == "refuse":
            assert isinstance(error, Refused)
        elif what == "delete":
            assert (answer.old, answer.new) == (old, None)
            values.pop(key, None)
        else:
            assert answer.old == old
            assert answer.new.version > (old.version if old else 0)
            grown = b"0" if old is None else old.text + b"1"
            assert answer.new.text == (b"7" if what == "set" else grown)
            values[key] = answer.new


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_a_store_does_what_a_dictionary_does(backend, operations):
    model, answers, asked = Model(backend), Answers(), []

    def collect():
        # Answers may come in any order; what they say is as if all had been done in the order asked for.
        came = {number: (answer, error) for number, answer, error in answers.take(len(asked))}
        assert set(came) == set(range(len(asked)))
        for number, step in enumerate(asked):
            answer, error = came[number]
            assert error is None or isinstance(error, EngineError)
            model.check(step, answer, error)
        asked.clear()

    for what, *rest in operations:
        if what == "wait":
            collect()
            continue
        scope = model.scope(rest[0])
        if what in ("set", "update", "refuse", "delete"):
            key, expected = rest[1:]
            if_version = None if expected is None else 0
            if expected in ("current", "other"):
                collect()
                held = model.scopes.get(rest[0], {}).get(key)
                if_version = (held.version if held else 0) + (expected == "other")
            done = answers.done(len(asked))
            asked.append((what, rest[0], key, if_version))
            if what == "set":
                backend.store.set(scope, key, b"7", done, if_version=if_version)
            elif what == "delete":
                backend.store.delete(scope, key, done, if_version=if_version)
            else:
                changing = refuse if what == "refuse" else lambda old: (b"0" if old is None else old + b"1", None)
                backend.store.update(scope, key, changing, done, if_version=if_version)
            continue
        getattr(backend.store, what)(scope, *rest[1:], answers.done(len(asked)))
        asked.append((what, *rest))
        if what == "scopes":
            collect()  # it sees what was asked for before, and may see what is asked for after
    collect()


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1024, 1025, 2500])
def test_a_group_of_any_size_is_carried_out_whole(store, count):
    answers = Answers()
    for number in range(count):
        store.set(("s",), f"{number}", b"%d" % number, answers.done())
    answers.take(count)
    keys = [f"{number}" for number in range(count)]
    assert [entry.text for entry in result(store.get_many, ("s",), keys)] == [b"%d" % n for n in range(count)]
