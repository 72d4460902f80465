"""Over TLS a client checks who answers, keeps its connections and holds its deadlines as it does without."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from cellar_shared.client.errors import TimedOut, Unreachable

LIVE = b'{"live": true}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def server_side(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_calls_share_a_connection_to_a_server_that_is_vouched_for(echo_client, scripted, said, certificate, server_side):
    server = scripted([said(200, LIVE)] * 3, context=server_side)
    trusting = ssl.create_default_context(cafile=certificate)
    with echo_client.EchoClient(f"https://127.0.0.1:{server.port}", timeout_s=60, ssl_context=trusting) as client:
        assert [client.live().live for _ in range(3)] == [True] * 3


def test_a_server_that_nobody_vouches_for_is_told_nothing(echo_client, scripted, said, server_side):
    server = scripted([said(200, LIVE)], [said(200, LIVE)], context=server_side)
    with (
        echo_client.EchoClient(f"https://127.0.0.1:{server.port}", "secret", timeout_s=60) as client,
        pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.live()
    assert server.requests == []


def test_a_slow_answer_is_given_up_on(echo_client, scripted, certificate, server_side):
    def drip(connection, ended):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not ended.wait(0.01):
            connection.sendall(b"x: y\r\n")

    server = scripted([drip], context=server_side)
    trusting = ssl.create_default_context(cafile=certificate)
    with (
        echo_client.EchoClient(f"https://127.0.0.1:{server.port}", timeout_s=0.5, ssl_context=trusting) as client,
        pytest.raises(TimedOut),
    ):
        client.live()
