import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.http_functions.errors import RequestFailed, UrlRefused
from iii_actors.builtin.http_functions.urls import check, parse, system_resolver
from iii_actors.config.http_functions import SecuritySettings

OPEN = SecuritySettings(require_https=False, block_private_ips=False)
STRICT = SecuritySettings()


def resolver(*answers):
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return list(answers)

    resolve.asked = asked
    return resolve


def refusal(url, rules=STRICT, resolve=None):
    with pytest.raises(UrlRefused) as refused:
        check(parse(url), rules, resolve or resolver("1.1.1.1"))
    return refused.value.message


# --- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port", "normalised"),
    [
        ("https://example.org", "example.org", 443, "https://example.org/"),
        ("HTTPS://EXAMPLE.org:443/A?b#c", "example.org", 443, "https://example.org/A?b"),
        ("http://h:8080?x=/@:#@", "h", 8080, "http://h:8080/?x=/@:"),
        ("http://h:/", "h", 80, "http://h/"),
        ("https://[2606:4700::1]:8443/", "2606:4700::1", 8443, "https://[2606:4700::1]:8443/"),
        ("https://0x7f.1/", "127.0.0.1", 443, "https://127.0.0.1/"),
        ("https://\uff11\uff12\uff17.0.0.\uff11/", "127.0.0.1", 443, "https://127.0.0.1/"),
        ("https://127。0。0。1/", "127.0.0.1", 443, "https://127.0.0.1/"),
        ("https://①②⑦.0.0.1/", "127.0.0.1", 443, "https://127.0.0.1/"),
        ("https://BÜCHER.example/", "xn--bcher-kva.example", 443, "https://xn--bcher-kva.example/"),
        ("https://straße.example/", "xn--strae-oqa.example", 443, "https://xn--strae-oqa.example/"),
        ("https://host.example./", "host.example.", 443, "https://host.example./"),
        ("http://under_score.example/", "under_score.example", 80, "http://under_score.example/"),
    ],
)
def test_what_a_url_names(text, host, port, normalised):
    url = parse(text)
    assert (url.text, url.host, url.port, url.normalised) == (text, host, port, normalised)


@pytest.mark.parametrize(
    "text",
    [
        "", "h", "/p", "//h/p", "https:h", "https:/h/p", "https://", "https:///p", "https://?q", "https://:80/",
        "https://u@h/", "https://u:p@h/", "https://good.example@127.0.0.1/", "https://good.example\\@127.0.0.1/",
        "https://127.0.0.1\\.good.example/", "https://h:65536/", "https://h:x/", "https://h:-1/", "https://h:80:80/",
        "https://h /", " https://h/", "https://h/\n", "https://h/\r\nX: y", "https://h\t/", "https://h\x00/", "https://%31/",
        "https://%6cocalhost/", "https://[::1%25lo]/", "https://[::1%lo]/", "https://[::1/", "https://::1/", "https://[]/",
        "https://[127.0.0.1]/", "https://256.256.256.256/", "https://1.2.3.4.5/", "https://foo.0x7g.9/", "https://a..b/",
        "https://.a/", "https://h,x/", "https://a b/", "https://*/", "https://x<y/", f"https://{'a' * 64}/",
        f"https://{'a.' * 130}a/", "https://h/" + "x" * 8192, "https://xn--\u00fc/", "https://\u0000/", "https://\u202e/", "http\u017f://h/", "https://h\u3000/",
        "https://ⓛ@h/", "1https://h/",
    ],
)  # fmt: skip
def test_what_is_no_url(text):
    with pytest.raises(UrlRefused, match=r"^Invalid URL$") as refused:
        parse(text)
    assert refused.value.detail


@given(st.text())
def test_any_text_is_a_url_or_is_refused(text):
    for candidate in (text, f"https://{text}", f"https://{text}/p", f"https://h/{text}"):
        try:
            url = parse(candidate)
        except UrlRefused:
            continue
        assert url.host
        assert url.normalised.startswith(f"{url.scheme}://{url.authority}/")


# --- rules -------------------------------------------------------------------------------------------------------------


def test_the_rules_come_in_the_protocol_s_order():
    listed = SecuritySettings(url_allowlist=["good.example"])
    assert refusal("http://bad.example/", listed) == "HTTPS is required"
    assert refusal("https://127.0.0.1/", listed) == "URL not in allowlist"
    assert refusal("https://good.example/", listed, resolver("10.0.0.1")) == "Private IP blocked"


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_https_may_be_required(scheme):
    assert refusal(f"{scheme}://h/") == "HTTPS is required"
    assert check(parse(f"{scheme}://h/"), SecuritySettings(require_https=False), resolver("1.1.1.1")) == ["1.1.1.1"]


@pytest.mark.parametrize(
    ("globs", "host", "fits"),
    [
        ([], "any.example", True),
        (["*"], "any.example", True),
        (["*.example"], "a.b.example", True),
        (["*.example"], "example", False),
        (["a?.example"], "ab.example", True),
        (["a?.example"], "a.example", False),
        (["[ab].example"], "b.example", True),
        (["[!ab].example"], "b.example", False),
        (["A.example"], "a.example", False),
        (["good.example"], "good.example.evil.example", False),
        (["good.example"], "good.example.", False),
        (["x", "good.example"], "GOOD.example", True),
        (["good.example*"], "other.example", False),
    ],
)
def test_the_allowlist_is_of_hosts(globs, host, fits):
    rules = SecuritySettings(url_allowlist=globs)
    url = f"https://{host}/good.example?good.example"
    if fits:
        assert check(parse(url), rules, resolver("1.1.1.1")) == ["1.1.1.1"]
    else:
        assert refusal(url, rules) == "URL not in allowlist"


@pytest.mark.parametrize("glob", ["2606:4700::1", "[[]2606:4700::1]", "2606:*"])
def test_an_ipv6_address_is_listed_with_and_without_brackets(glob):
    url = parse("https://[2606:4700:0::1]/")
    assert check(url, SecuritySettings(url_allowlist=[glob]), resolver()) == ["2606:4700::1"]


PRIVATE_SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "127.0.0.1.", "0", "0.0.0.0",
    "\uff11\uff12\uff17.0.0.1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[fe80::1]", "[fd12::1]", "[FF02::1]", "169.254.169.254", "0xa9fea9fe",
    "2852039166", "10.1", "192.168.257", "172.1048577",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE_SPELLINGS)
def test_a_private_address_in_any_spelling_is_blocked(host):
    resolve = resolver("1.1.1.1")
    assert refusal(f"https://{host}/", resolve=resolve) == "Private IP blocked"
    assert refusal(f"https://{host}:8443/x", resolve=resolve) == "Private IP blocked"
    assert resolve.asked == []
    assert check(parse(f"https://{host}/"), OPEN, resolve)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fe80::1%eth0"], ["::ffff:192.168.0.1", "1.1.1.1"], ["no address"]],
)
def test_one_private_answer_blocks_a_name(answers):
    assert refusal("https://h.example/", resolve=resolver(*answers)) == "Private IP blocked"
    assert check(parse("https://h.example/"), OPEN, resolver(*answers)) == answers


def test_what_was_answered_is_what_is_connected_to_each_once():
    resolve = resolver("1.1.1.1", "2606:4700::1", "1.1.1.1")
    assert check(parse("https://h.example:8443/"), STRICT, resolve) == ["1.1.1.1", "2606:4700::1"]
    assert resolve.asked == [("h.example", 8443)]


def test_a_name_without_address():
    def fail(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    for resolve in (fail, resolver()):
        assert refusal("https://h.example/", resolve=resolve) == "DNS lookup failed"
        with pytest.raises(RequestFailed, match=r"^error sending request for url \(https://h.example/\): dns error: "):
            check(parse("https://h.example/"), OPEN, resolve)


def test_the_system_s_resolver():
    assert "127.0.0.1" in system_resolver("127.0.0.1", 80)
    assert refusal("https://localhost/", resolve=system_resolver) == "Private IP blocked"
