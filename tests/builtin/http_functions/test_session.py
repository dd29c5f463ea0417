import socket
import ssl

import pytest
import requests

from iii_actors.builtin.http_functions.invocation import endpoint
from iii_actors.builtin.http_functions.request import request
from iii_actors.builtin.http_functions.session import PinnedSession, tls_context
from iii_actors.wire.codec import raw
from tests.support.certificates import server_context
from tests.support.endpoint import endpoint as serving
from tests.support.endpoint import response


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return server_context(tmp_path_factory.mktemp("tls"), "good.example", "xn--bcher-kva.example")


@pytest.fixture
def session():
    made = PinnedSession()
    yield made
    made.close()


def begin(session, url, address="127.0.0.1", tls=None, timeouts=(5, 5), **members):
    at = endpoint("f", raw({"url": url} | members), {})
    made = request(at, b"{}", "id", 0)
    return session.begin(at.url, address, made, timeouts, tls or tls_context(None))


def ask(session, url, **members):
    with begin(session, url, **members) as got:
        return got.status_code, got.raw.read(decode_content=False)


def test_it_connects_to_the_address_and_asks_for_the_name(session, server, monkeypatch):
    def resolver(host, *arguments, **options):
        assert host == "127.0.0.1", "a name was looked up"
        return real(host, *arguments, **options)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert ask(session, f"http://good.example:{server.port}/x?y") == (200, b"null")
    asked = server.asked()
    assert asked.line == "POST /x?y HTTP/1.1"
    assert asked.all("host") == [f"good.example:{server.port}"]
    assert asked.all("content-length") == ["2"]
    assert len(asked.all("user-agent")) == len(asked.all("accept-encoding")) == 1


@pytest.mark.parametrize("host", ["good.example", "GOOD.example", "good.example.", "bücher.example"])
def test_tls_is_for_the_name(session, identity, host):
    tls, trusted = identity
    with serving(tls) as server:
        assert ask(session, f"https://{host}:{server.port}/", tls=tls_context(str(trusted))) == (200, b"null")
        assert server.server_names in (["good.example"], ["xn--bcher-kva.example"])


def test_a_certificate_for_another_name_is_refused(session, identity):
    tls, trusted = identity
    with serving(tls) as server:
        with pytest.raises(requests.exceptions.SSLError, match=r"Hostname mismatch.*other\.example"):
            ask(session, f"https://other.example:{server.port}/", tls=tls_context(str(trusted)))
        assert server.requests.empty()


def test_a_certificate_of_an_unknown_authority_is_refused(session, identity):
    with serving(identity[0]) as server:
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(session, f"https://good.example:{server.port}/")
        assert server.requests.empty()


def test_certificates_that_cannot_be_read(tmp_path):
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises((OSError, ssl.SSLError)):
        tls_context(str(tmp_path / "empty.pem"))


def test_connections_are_kept_per_address_and_not_per_name(session, server):
    for name in ("one.example", "two.example", "one.example"):
        ask(session, f"http://{name}:{server.port}/")
    assert [server.asked().connection for _ in range(3)] == [0, 0, 0]


def test_a_tls_connection_is_not_shared_between_names(session, identity):
    tls, trusted = identity
    context = tls_context(str(trusted))
    with serving(tls) as server:
        ask(session, f"https://good.example:{server.port}/", tls=context)
        with pytest.raises(requests.exceptions.SSLError):
            ask(session, f"https://other.example:{server.port}/", tls=context)


def test_redirects_are_not_followed_nor_read(session, server):
    def endless(sock, _):
        sock.sendall(response(302, b"", f"Location: http://127.0.0.1:{server.port}/again", length=False))
        return False

    server.behaviour = endless
    with begin(session, f"http://h:{server.port}/") as got:
        assert got.status_code == 302
        assert not got._content_consumed
    server.asked()
    assert server.requests.empty()


def test_cookies_are_not_kept(session, server):
    server.answer(200, b"", "Set-Cookie: a=b; Path=/")
    for _ in range(2):
        ask(session, f"http://127.0.0.1:{server.port}/")
    server.asked()
    assert server.asked().all("cookie") == []


def test_proxies_and_credentials_of_the_environment_are_not_used(session, server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert ask(session, f"http://127.0.0.1:{server.port}/")[0] == 200
    assert server.asked().all("authorization") == []


def test_headers_may_come_twice(session, server):
    ask(session, f"http://127.0.0.1:{server.port}/", headers={"content-type": "x/y"})
    assert server.asked().all("content-type") == ["application/json", "x/y"]


def test_compressed_bodies_stay_compressed(session, server):
    server.answer(200, b"not really gzip", "Content-Encoding: gzip")
    assert ask(session, f"http://127.0.0.1:{server.port}/") == (200, b"not really gzip")


def test_other_requests_are_refused(session):
    with pytest.raises(TypeError):
        session.get("http://127.0.0.1:1/")


def test_ipv6(session):
    try:
        opened = serving(host="::1")
        with opened as server:
            assert ask(session, f"http://h6.example:{server.port}/", address="::1")[0] == 200
    except OSError:
        pytest.skip("this machine has no IPv6")
