"""What every store promises (``iii_actors/storage/contract.py``), one operation after the other."""

import pytest

from iii_actors.errors import EngineError
from iii_actors.storage import StorageError, VersionConflict
from tests.storage.asking import Answers, outcome, result

S = ("scope",)
OTHER = ("other",)


def put(store, key, text, scope=S, **options):
    return result(store.set, scope, key, text, **options)


def texts(entries):
    return [(key, entry.text) for key, entry in entries]


# --- one value ---------------------------------------------------------------------------------------------------------


def test_what_was_never_written_is_absent(store):
    assert result(store.get, S, "k") is None
    assert result(store.get_many, S, ["a", "b"]) == [None, None]
    assert list(result(store.list, S)) == []
    assert list(result(store.list_keys, S)) == []
    assert list(result(store.scopes, ())) == []


def test_a_write_tells_what_was_there_and_what_is(store):
    first = put(store, "k", b"1")
    assert (first.old, first.new.text) == (None, b"1")
    second = put(store, "k", b"2")
    assert second.old == first.new
    assert second.new.text == b"2"
    assert result(store.get, S, "k") == second.new


@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b'""',
        b"[]",
        b"{}",
        b'{"b": 1,\n  "a":\t1.0e+05, "a": 2}',
        b"123456789012345678901234567890.000",
        '"\u00e4\u20ac\U0001f600\u2028"'.encode(),
        b'"\\u0000\\ud800"',
        b'"' + b"x" * 1_000_000 + b'"',
        b"[" * 5000 + b"]" * 5000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_text_is_kept_as_it_is(store, text):
    assert put(store, "k", text).new.text == text
    assert result(store.get, S, "k").text == text
    assert texts(result(store.list, S)) == [("k", text)]
    assert put(store, "k", b"1").old.text == text


def test_a_removed_value_is_told_and_gone(store):
    new = put(store, "k", b"1").new
    change = result(store.delete, S, "k")
    assert (change.old, change.new) == (new, None)
    assert result(store.get, S, "k") is None
    assert tuple(result(store.delete, S, "k"))[:2] == (None, None)


def test_several_values_are_read_in_the_order_asked_for(store):
    one, two = put(store, "one", b"1").new, put(store, "two", b"2").new
    put(store, "two", b"not this", OTHER)
    assert list(result(store.get_many, S, ["two", "none", "one", "two"])) == [two, None, one, two]
    assert list(result(store.get_many, S, [])) == []


# --- changing ----------------------------------------------------------------------------------------------------------


def test_an_update_sees_what_is_there_and_may_remark_on_it(store):
    created = result(store.update, S, "k", lambda old: (b"%d" % (old is None), "remark"))
    assert (created.old, created.new.text, created.remark) == (None, b"1", "remark")
    changed = result(store.update, S, "k", lambda old: (b"[%b]" % old, ["more"]))
    assert (changed.old, changed.new.text, changed.remark) == (created.new, b"[1]", ["more"])
    assert result(store.get, S, "k") == changed.new
    assert put(store, "k", b"2").remark is None


def test_an_update_that_refuses_changes_nothing_and_its_error_is_passed_on(store):
    class Refused(EngineError):
        code = "refused"

    def refusing(old):
        raise Refused("no")

    before = put(store, "k", b"1").new
    for key in ("k", "absent"):
        answer, error = outcome(store.update, S, key, refusing)
        assert answer is None
        assert (type(error), str(error)) == (Refused, "no")
    assert result(store.get, S, "k") == before
    assert list(result(store.list_keys, S)) == ["k"]


# --- versions ----------------------------------------------------------------------------------------------------------


def test_versions_grow_with_every_write_also_past_a_removal(store):
    seen = [put(store, "k", b"1").new.version, put(store, "k", b"1").new.version]
    seen.append(result(store.update, S, "k", lambda old: (old, None)).new.version)
    result(store.delete, S, "k")
    seen.append(put(store, "k", b"1").new.version)
    result(store.delete, S, "k")
    seen.append(result(store.update, S, "k", lambda old: (b"1", None)).new.version)
    assert seen[0] >= 1
    assert seen == sorted(set(seen))


def test_a_write_over_the_expected_version_goes_through(store):
    version = put(store, "k", b"1", if_version=0).new.version
    version = put(store, "k", b"2", if_version=version).new.version
    version = result(store.update, S, "k", lambda old: (b"3", None), if_version=version).new.version
    assert result(store.delete, S, "k", if_version=version).old.text == b"3"
    assert result(store.update, S, "k", lambda old: (b"4", None), if_version=0).old is None
    assert tuple(result(store.delete, S, "absent", if_version=0))[:2] == (None, None)


@pytest.mark.parametrize("present", [True, False])
def test_a_write_over_another_version_changes_nothing(store, present):
    found = put(store, "k", b"1").new.version if present else 0
    before = result(store.get, S, "k")
    called = []
    for wrong in (found + 1, found - 1 if found > 1 else found + 2, 1 << 60):
        for operation, args in ((store.set, (b"2",)), (store.delete, ()), (store.update, (called.append,))):
            answer, error = outcome(operation, S, "k", *args, if_version=wrong)
            assert answer is None
            assert isinstance(error, VersionConflict)
            assert (error.expected, error.found) == (wrong, found)
    assert result(store.get, S, "k") == before
    assert not called


# --- listing -----------------------------------------------------------------------------------------------------------


def test_a_scope_is_listed_in_the_order_of_insertion(backend):
    store = backend.store
    for key in ("c", "a", "d", "b"):
        put(store, key, b'"first"')
    put(store, "a", b'"over"')
    result(store.update, S, "d", lambda old: (b'"updated"', None))
    result(store.delete, S, "c")
    put(store, "c", b'"again"')
    put(store, "a", b'"not this"', OTHER)
    expected = [("a", b'"over"'), ("d", b'"updated"'), ("b", b'"first"'), ("c", b'"again"')]
    in_order = list if backend.ordered else sorted
    assert in_order(texts(result(store.list, S))) == in_order(expected)
    assert in_order(result(store.list_keys, S)) == in_order([key for key, _ in expected])
    assert dict(result(store.list, S))["a"] == result(store.get, S, "a")


def test_a_large_scope_is_listed_whole(backend):
    store, answers = backend.store, Answers()
    keys = [f"key {number * 7919 % 3000}" for number in range(3000)]
    for key in keys:
        store.set(S, key, b'"%b"' % key.encode(), answers.done())
    answers.take(3000)
    listed, names = result(store.list, S), result(store.list_keys, S)
    assert sorted(names) == sorted(keys)
    assert {key: entry.text.decode() for key, entry in listed} == {key: f'"{key}"' for key in keys}
    if backend.ordered:
        assert list(names) == [key for key, _ in listed] == keys


def test_scopes_are_named_sorted_while_they_hold_something(backend):
    if backend.parts is not None:
        return  # see test_scopes_of_one_length_are_named_sorted_while_they_hold_something
    store = backend.store
    for scope in (("s", "b"), ("s", "a"), ("t", "a"), ("sa", "a"), ("s",), ("", ""), ("s", "a")):
        put(store, "k", b"1", scope)
    put(store, "more", b"1", ("s", "b"))
    every = [("", ""), ("s",), ("s", "a"), ("s", "b"), ("sa", "a"), ("t", "a")]
    assert list(result(store.scopes, ())) == every
    assert list(result(store.scopes, ("s",))) == [("s",), ("s", "a"), ("s", "b")]
    assert list(result(store.scopes, ("s", "a"))) == [("s", "a")]
    assert list(result(store.scopes, ("",))) == [("", "")]
    assert list(result(store.scopes, ("none",))) == []
    for key in ("k", "more"):
        result(store.delete, ("s", "b"), key)
    assert list(result(store.scopes, ())) == [scope for scope in every if scope != ("s", "b")]


def test_scopes_of_one_length_are_named_sorted_while_they_hold_something(store):
    for scope in (("s:b",), ("s",), ("",), ("*",), ("s",), ("a b",)):
        put(store, "k", b"1", scope)
    every = [("",), ("*",), ("a b",), ("s",), ("s:b",)]
    assert list(result(store.scopes, ())) == every
    for scope in every:
        assert list(result(store.scopes, scope)) == [scope]
        result(store.delete, scope, "k")
    assert list(result(store.scopes, ())) == []


# --- expiry ------------------------------------------------------------------------------------------------------------


def test_an_expired_value_is_absent_for_everybody(backend):
    store = backend.store
    put(store, "a", b"1", ttl_ms=500)
    put(store, "b", b"2")
    put(store, "c", b"3", OTHER, ttl_ms=500)
    assert result(store.get, S, "a").text == b"1"
    assert list(result(store.scopes, ())) == [OTHER, S]
    backend.pass_ms(501)
    assert result(store.get, S, "a") is None
    assert [entry is None for entry in result(store.get_many, S, ["a", "b"])] == [True, False]
    assert list(result(store.list_keys, S)) == ["b"]
    assert texts(result(store.list, S)) == [("b", b"2")]
    assert list(result(store.scopes, ())) == [S]
    assert result(store.delete, S, "a").old is None
    assert result(store.update, OTHER, "c", lambda old: (b"%d" % (old is None), None)).new.text == b"1"


def test_what_is_written_where_something_has_expired_is_new(backend):
    store = backend.store
    old = put(store, "a", b"1", ttl_ms=300).new
    put(store, "b", b"2")
    backend.pass_ms(301)
    change = put(store, "a", b"3", if_version=0)
    assert change.old is None
    assert change.new.version > old.version
    if backend.ordered:
        assert list(result(store.list_keys, S)) == ["b", "a"]


def test_a_set_gives_a_new_time_to_live_an_update_leaves_the_one_there_is(backend):
    store = backend.store
    for key, ttl in (("updated", 500), ("unlimited", 500), ("longer", 500), ("shorter", None)):
        put(store, key, b"1", ttl_ms=ttl)
    result(store.update, S, "updated", lambda old: (b"2", None))
    put(store, "unlimited", b"2")
    put(store, "longer", b"2", ttl_ms=3_600_000)
    put(store, "shorter", b"2", ttl_ms=500)
    backend.pass_ms(501)
    assert sorted(result(store.list_keys, S)) == ["longer", "unlimited"]


@pytest.mark.parametrize("ttl_ms", [1 << 53, 1 << 63, 10**400])
def test_a_time_to_live_may_be_longer_than_all_time(backend, ttl_ms):
    put(backend.store, "k", b"1", ttl_ms=ttl_ms)
    backend.pass_ms(100)
    assert result(backend.store.get, S, "k").text == b"1"


# --- order and end -----------------------------------------------------------------------------------------------------


def test_operations_take_effect_in_the_order_asked_for_without_waiting(store):
    answers = Answers()
    store.set(S, "k", b"0", answers.done("set"))
    for number in range(200):
        store.update(S, "k", lambda old: (b"%d" % (int(old) + 1), None), answers.done(number))
        if number == 100:
            store.get(S, "k", answers.done("get"))
            store.list(S, answers.done("list"))
    store.delete(S, "k", answers.done("delete"))
    store.scopes((), answers.done("scopes"))
    came = {tag: (answer, error) for tag, answer, error in answers.take(205)}
    assert all(error is None for _, error in came.values())
    assert [came[number][0].new.text for number in range(200)] == [b"%d" % (number + 1) for number in range(200)]
    assert came["get"][0].text == b"101"
    assert texts(came["list"][0]) == [("k", b"101")]
    assert came["delete"][0].old.text == b"200"
    assert list(came["scopes"][0]) == []


def test_a_closed_store_says_so(store):
    put(store, "k", b"1")
    store.close()
    store.close()
    operations = [
        (store.get, S, "k"),
        (store.get_many, S, ["k"]),
        (store.set, S, "k", b"2"),
        (store.update, S, "k", lambda old: (b"3", None)),
        (store.delete, S, "k"),
        (store.list, S),
        (store.list_keys, S),
        (store.scopes, ()),
    ]
    for operation, *args in operations:
        answer, error = outcome(operation, *args)
        assert answer is None
        assert isinstance(error, StorageError)
        assert "closed" in str(error)


def test_what_was_asked_before_the_end_is_answered(store):
    answers = Answers()
    for number in range(500):
        store.set(S, f"{number}", b"1", answers.done(number))
    store.close()
    assert sorted(tag for tag, _, _ in answers.take(500)) == list(range(500))
