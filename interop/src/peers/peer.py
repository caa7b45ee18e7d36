"""Sides of cases with Python's ssl module; script.rs says how it is told."""

import hashlib
import json
import select
import socket
import ssl
import sys
import threading

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
CURVES = {"P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}


def context(request, identities):
    is_server = request["side"] == "server"
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    versions = request["versions"].split()
    made.minimum_version, made.maximum_version = VERSIONS[versions[0]], VERSIONS[versions[-1]]
    if request["ciphers"]:
        made.set_ciphers(request["ciphers"])
    if request["groups"]:
        made.set_ecdh_curve(CURVES[request["groups"]])
    for certificate, key in identities:
        made.load_cert_chain(certificate, key)
    made.check_hostname = not is_server and request["verify"] == "require"
    if request["verify"] == "require":
        made.verify_mode = ssl.CERT_REQUIRED
    else:
        made.verify_mode = ssl.CERT_OPTIONAL if request["verify"] == "report" else ssl.CERT_NONE
    made.post_handshake_auth = request["post-handshake-auth"] == "yes"
    if "authenticate" in request["steps"]:
        made.post_handshake_auth, made.verify_mode = True, ssl.CERT_REQUIRED
    if request["trust"]:
        made.load_verify_locations(request["trust"])
    if request["crl"]:
        made.load_verify_locations(request["crl"])
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if request["dh"]:
        made.load_dh_params(request["dh"])
    if request["alpn"]:
        made.set_alpn_protocols(request["alpn"].split())
    if request["tickets"] == "no":
        made.options |= ssl.OP_NO_TICKET
    if request["allows-renegotiation"] == "yes":
        made.options |= 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    made.keylog_filename = request["key-log"]
    return made


def fingerprint(der):
    digest = hashlib.sha256(der).hexdigest().upper() if der else ""
    return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))


def facts(tls, request, name):
    told = {
        "version": tls.version(),
        "cipher": tls.cipher()[0],
        "cipher-version": tls.cipher()[1],
        "alpn": tls.selected_alpn_protocol() or "",
        "peer-certificate": fingerprint(tls.getpeercert(binary_form=True)),
        "reused": "yes" if tls.session_reused else "no",
    }
    if name is not None:
        told["server-name"] = name
    # The first Finished message of the handshake.
    unique = tls.get_channel_binding("tls-unique")
    if unique and tls.version() != "TLSv1.3" and request["renegotiations"] == "0":
        own = (request["side"] == "client") != tls.session_reused
        told["finished" if own else "peer-finished"] = unique.hex()
    return told


def has_certificate(tls):
    try:
        return bool(tls.getpeercert(binary_form=True))
    except ValueError:  # It is half there.
        return False


def code(error):
    if isinstance(error, ssl.SSLError):
        # Of what is newer than the module it knows only the text: "[SSL] tlsv1 alert ... (_ssl.c:992)".
        reason = error.reason or str(error).partition("] ")[2].partition(" (")[0]
        return "ERR_SSL_" + reason.upper().replace(" ", "_")
    if isinstance(error, ConnectionResetError):
        return "ECONNRESET"
    return "EPIPE" if isinstance(error, BrokenPipeError) else type(error).__name__


def is_cut(error):
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"


def talk(tls, steps, request, told):
    """Does the steps, and gives the session that could be resumed then."""
    data = bytearray()
    session = None
    wanted = int(request["receive"])
    try:
        for step in steps:
            if step == "send":
                with open(request["send"], "rb") as file:
                    tls.sendall(file.read())
            elif step == "receive":
                while len(data) < wanted:
                    chunk = tls.recv(65536)
                    if not chunk:
                        told["error"] = "CLOSED_EARLY"
                        return None
                    data += chunk
            elif step == "read-end":
                try:
                    while chunk := tls.recv(65536):
                        data += chunk
                    told.setdefault("end", "close-notify")
                except ssl.SSLError as error:
                    if not is_cut(error):
                        raise
                    told["end"] = "cut"
            elif step == "close":
                # It sends close_notify and waits for the peer's.
                is_first = "end" not in told
                session = tls.session
                try:
                    tls.unwrap()
                    told.setdefault("end", "close-notify")
                except (ssl.SSLError, ConnectionError) as error:
                    if isinstance(error, ssl.SSLError) and not is_cut(error):
                        raise
                    if is_first:
                        told["end"] = "cut"
                if is_first:
                    break
            elif step == "authenticate":
                tls.verify_client_post_handshake()
                tls.do_handshake()
                # The answer comes with the next reads, which find no data.
                tls.settimeout(0)
                while not has_certificate(tls):
                    select.select([tls], [], [], 30)
                    try:
                        data += tls.recv(65536)
                    except ssl.SSLWantReadError:
                        pass
                tls.settimeout(30)
                told["peer-certificate"] = fingerprint(tls.getpeercert(binary_form=True))
                told["authorized"] = "yes"
            elif step == "cut":
                tls.close()
    except OSError as error:
        told["error"] = code(error)
        told["text"] = str(error)
    finally:
        told["received"] = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    return session


def connection(wrap, steps, request, names, say):
    told = {"event": "seen", "error": "", "alert": ""}
    session = None
    try:
        tls = wrap()
        told.update(facts(tls, request, names.pop() if names else None))
        session = talk(tls, steps, request, told)
        tls.close()
    except OSError as error:
        told["error"] = code(error)
        told["text"] = str(error)
    say(told)
    return session


def serve(request, say):
    identities = [line.split() for line in request["identities"].splitlines()]
    made = context(request, identities)
    others = {}
    for line in request["names"].splitlines():
        name, certificate, key = line.split()
        others[name] = context(request, [(certificate, key)])
    names = []

    def chosen(tls, name, _):
        names.append(name or "")
        if name in others:
            tls.context = others[name]

    made.sni_callback = chosen
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        say({"event": "listening", "port": str(listener.getsockname()[1])})
        for steps in request["steps"].splitlines():
            tcp, _ = listener.accept()
            with tcp:
                tcp.settimeout(30)
                names.clear()
                wrap = lambda: made.wrap_socket(tcp, server_side=True, suppress_ragged_eofs=False)
                connection(wrap, steps.split(), request, names, say)


def connect(request, say):
    identities = [line.split() for line in request["identities"].splitlines()]
    made = context(request, identities)
    session = None
    for steps in request["steps"].splitlines():
        with socket.create_connection(("127.0.0.1", int(request["port"])), 30) as tcp:
            name = request["server-name"]
            wrap = lambda: made.wrap_socket(
                tcp, server_hostname=name, session=session, suppress_ragged_eofs=False)
            session = connection(wrap, steps.split(), request, [], say)


def answer(control):
    with control, control.makefile("rw", encoding="utf-8", newline="\n") as lines:
        def say(line):
            lines.write(json.dumps(line) + "\n")
            lines.flush()

        request = json.loads(lines.readline())
        try:
            if request["side"] == "version":
                say({"version": f"Python {sys.version.split()[0]} with {ssl.OPENSSL_VERSION}"})
            elif request["side"] == "server":
                serve(request, say)
            else:
                connect(request, say)
        except Exception as error:
            say({"event": "trouble", "text": repr(error)})


def main():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)

        def accept():
            while True:
                control, _ = listener.accept()
                threading.Thread(target=answer, args=(control,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()


main()
