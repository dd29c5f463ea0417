"""Which files a pattern means."""

import pytest

from iii_actors.builtin.exec.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("src/**/*.{ts,js}", ["src/a.ts", "src/b/c/d.js"], ["src/a.py", "a.ts", "src/a.tsx", "lib/src/a.ts"]),
        ("*.py", ["a.py"], ["a/b.py", "a.pyc"]),
        ("**/*.py", ["a.py", "a/b.py"], ["a/b.txt"]),
        ("src/**", ["src/a", "src/b/c"], ["srcs/a"]),
        ("./Makefile", ["Makefile"], ["a/Makefile", "Makefile2"]),
        ("a?[0-9].[!x]", ["ab1.y"], ["ab1.x", "abb.y", "a/1.y"]),
        ("a+(b).c", ["a+(b).c"], ["aab.c"]),
    ],
)
def test_match(pattern, meant, not_meant):
    patterns = Patterns([pattern])
    assert [path for path in meant if not patterns.match(path)] == []
    assert [path for path in not_meant if patterns.match(path)] == []


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("src/**/*.ts", "src"), ("src/lib/a.ts", "src/lib"), ("*.py", "."), ("**/*.py", "."), ("a/{b,c}/d.py", "a")],
)
def test_where_they_can_be(pattern, folder):
    assert Patterns([pattern]).folders == [folder]
