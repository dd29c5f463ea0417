import pytest

from iii_actors.builtin.http.cors import VARY, Cors
from iii_actors.config.http import CorsSettings

ALLOW = b"access-control-allow-origin"
APP = b"https://app.example"


def cors(**settings):
    return Cors(CorsSettings(**settings))


def test_without_settings_everybody_may_read_everything():
    assert sorted(Cors(None).answer(APP)) == sorted([VARY, (ALLOW, b"*"), (b"access-control-expose-headers", b"*")])
    assert dict(Cors(None).preflight(APP)) == {
        ALLOW: b"*",
        b"access-control-allow-methods": b"*",
        b"access-control-allow-headers": b"*",
        VARY[0]: VARY[1],
    }


@pytest.mark.parametrize("origins", [[], ["*"], ["https://x.example", "*"]])
def test_any_origin_may_be_allowed_by_settings_too(origins):
    one = cors(allowed_origins=origins)
    assert sorted(one.answer(None)) == sorted([VARY, (ALLOW, b"*")]), "but no headers are exposed"
    assert dict(one.preflight(APP))[ALLOW] == b"*"
    assert not one.asks_origin


@pytest.mark.parametrize(
    ("origin", "echoed"), [(APP, APP), (b"https://app.example:444", None), (b"HTTPS://APP.example", None), (None, None)]
)
def test_a_listed_origin_is_echoed_and_no_other(origin, echoed):
    one = cors(allowed_origins=[APP.decode(), "https://b.example"])
    assert one.asks_origin
    assert dict(one.answer(origin)).get(ALLOW) == echoed
    assert dict(one.preflight(origin)).get(ALLOW) == echoed


def test_methods_as_listed():
    assert dict(cors(allowed_methods=["GET", "POST"]).preflight(None))[b"access-control-allow-methods"] == b"GET,POST"


def test_the_lists_given_out_are_the_callers_own():
    one = Cors(None)
    one.answer(None).append((b"x", b"y"))
    assert (b"x", b"y") not in one.answer(None)


def test_what_a_handler_cannot_say():
    assert Cors(None).overridden == {ALLOW, b"access-control-expose-headers"}
    assert cors(allowed_origins=["x"]).overridden == {ALLOW}
