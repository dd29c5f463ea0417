"""Scopes and keys are any strings, and no two are ever taken for one."""

import itertools

from tests.storage.asking import Answers, result

HOSTILE = [
    "",
    " ",
    "\0",
    "\0\0",
    "a\0b",
    "a",
    "a\0",
    "\0a",
    "a/b",
    "a:b",
    "a\\:b",
    "a%3Ab",
    "a\tb\r\n",
    "'; DROP TABLE entries; --",
    '"quoted"',
    "%_*?[a-z]{x}",
    "__proto__",
    "constructor",
    "null",
    "0",
    "-1",
    "1e999",
    "../../etc/passwd",
    "\u00e4",
    "a\u0308",
    "\u00ff",
    "\u00fe",
    "\ufeff",
    "\ufffe\uffff",
    "\ue000\ufffd",
    "\U0010ffff",
    "\U0001f600",
    "\u202eabc",
    "A",
    "k" * 1_000_000,
]


def test_every_key_is_kept_apart_from_every_other(backend):
    store, answers = backend.store, Answers()
    for number, key in enumerate(HOSTILE):
        store.set(("s",), key, b"%d" % number, answers.done())
    assert all(change.old is None for _, change, _ in answers.take(len(HOSTILE)))
    found = result(store.get_many, ("s",), HOSTILE)
    assert [entry.text for entry in found] == [b"%d" % number for number in range(len(HOSTILE))]
    names = result(store.list_keys, ("s",))
    assert set(names) == set(HOSTILE)
    if backend.ordered:
        assert list(names) == HOSTILE
    for number, key in enumerate(HOSTILE):
        assert result(store.get, ("s",), key).text == b"%d" % number
        assert result(store.delete, ("s",), key).old.text == b"%d" % number
    assert list(result(store.scopes, ())) == []


def test_every_scope_is_kept_apart_from_every_other(backend):
    store, answers = backend.store, Answers()
    short = [part for part in HOSTILE if len(part) < 10]
    lengths = (1, 2) if backend.parts is None else (backend.parts,)
    scopes = [(part,) for part in HOSTILE] if 1 in lengths else []
    scopes += itertools.product(short, repeat=2) if 2 in lengths else []
    for number, scope in enumerate(scopes):
        store.set(scope, "k", b"%d" % number, answers.done())
    assert all(change.old is None for _, change, _ in answers.take(len(scopes)))
    assert list(result(store.scopes, ())) == sorted(scopes)
    for part in short:
        assert list(result(store.scopes, (part,))) == sorted(scope for scope in scopes if scope[0] == part)
    for number, scope in enumerate(scopes):
        store.list(scope, answers.done(number))
    assert all(
        [(key, entry.text) for key, entry in listed] == [("k", b"%d" % number)]
        for number, listed, _ in answers.take(len(scopes))
    )
