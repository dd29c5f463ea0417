from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.http_functions.addresses import (
    NotAnAddress,
    ipv4_of,
    ipv6_of,
    is_private,
    looks_like_ipv4,
    written,
)

PRIVATE = [
    "127.0.0.1", "127.255.255.255", "10.0.0.0", "10.255.1.2", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "0.0.0.0", "255.255.255.255", "192.0.2.1", "198.51.100.255", "203.0.113.9",
    "::1", "::", "fc00::1", "fdff::", "fe80::1", "febf::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "126.255.255.255", "128.0.0.1", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1",
    "192.169.0.0", "169.253.1.1", "169.255.0.0", "0.0.0.1", "255.255.255.254", "192.0.3.0", "198.51.101.0",
    "203.0.114.0", "100.64.0.1", "224.0.0.1", "2606:4700::1111", "fbff::1", "fec0::1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_the_protocol_s_private_ranges(text):
    assert is_private(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_everything_else_is_public(text):
    assert not is_private(ip_address(text))


@pytest.mark.parametrize(
    "form", ["::ffff:{}", "::{}", "::ffff:0:{}", "64:ff9b::{}"], ids=["mapped", "compatible", "translated", "nat64"]
)
@given(st.integers(0, 2**32 - 1))
def test_an_ipv6_form_of_ipv4_is_as_private_as_that(form, value):
    v4 = IPv4Address(value)
    v6 = IPv6Address(form.format(v4))
    if v6 not in (IPv6Address("::"), IPv6Address("::1")):
        assert is_private(v6) == is_private(v4)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**80 - 1))
def test_6to4_too(value, rest):
    assert is_private(IPv6Address(0x2002 << 112 | value << 80 | rest)) == is_private(IPv4Address(value))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.0.0.1.", "2130706433", "0x7f000001", "0x7F000001".lower(), "017700000001", "127.1", "127.0.1",
        "0177.1", "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.01", "127.0x1", "00000177.0.0.1", "127.0.0.0x1", "0x7f.0.1",
    ],
)  # fmt: skip
def test_every_spelling_of_one_address(text):
    assert looks_like_ipv4(text)
    assert ipv4_of(text) == IPv4Address("127.0.0.1")


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.lists(st.sampled_from(["{}", "{:#x}", "0{:o}"]), min_size=4))
def test_any_number_of_parts_in_any_base(value, parts, forms):
    whole = value.to_bytes(4, "big")
    numbers = [*whole[: parts - 1], int.from_bytes(whole[parts - 1 :], "big")]
    text = ".".join(form.format(number) for form, number in zip(forms, numbers, strict=False))
    assert ipv4_of(text) == IPv4Address(value)


@pytest.mark.parametrize(
    "text",
    [
        "256.1", "1.256.1", "1.2.3.256", "4294967296", "0x100000000", "1.2.3.4.5", "08", "1.09", "1..2", "a.1", "1.0x",
        "0xg.1", "1.2.3.", "-1.1", "9" * 100, "1." + "0" * 90,
    ],
)  # fmt: skip
def test_what_only_looks_like_one(text):
    if text in {"1.0x", "1.2.3."}:
        assert ipv4_of(text)  # an empty hexadecimal number is 0, a last dot is nothing
        return
    with pytest.raises(NotAnAddress):
        ipv4_of(text)


@pytest.mark.parametrize("text", ["example.org", "1.example", "0x1g", "a1", "", "x.0xy"])
def test_names_do_not_look_like_addresses(text):
    assert not looks_like_ipv4(text)


@pytest.mark.parametrize("text", ["", "1", "::1%lo", "fe80::1%25eth0", ":::", "1.2.3.4", "::1.2.3", "g::"])
def test_what_is_no_ipv6_address(text):
    with pytest.raises(NotAnAddress):
        ipv6_of(text)


def test_a_resolver_s_answers():
    assert is_private(written("fe80::1%eth0"))
    assert is_private(written("::ffff:10.0.0.1"))
    assert not is_private(written("1.1.1.1"))
    for text in ("", "name", "1.2.3", "::1::"):
        with pytest.raises(NotAnAddress):
            written(text)
