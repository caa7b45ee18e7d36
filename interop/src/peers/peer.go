// Sides of cases with Go's crypto/tls; script.rs says how it is told.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type object map[string]string

var versions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

var groups = map[string]tls.CurveID{
	"P-256": tls.CurveP256, "P-384": tls.CurveP384, "P-521": tls.CurveP521, "X25519": tls.X25519,
}

const patience = 30 * time.Second

func suites() []*tls.CipherSuite {
	return append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
}

func pool(file string) (*x509.CertPool, error) {
	if file == "" {
		return x509.NewCertPool(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	made := x509.NewCertPool()
	if !made.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificates in %s", file)
	}
	return made, nil
}

func config(request object) (*tls.Config, error) {
	words := strings.Fields(request["versions"])
	made := &tls.Config{
		MinVersion:             versions[words[0]],
		MaxVersion:             versions[words[len(words)-1]],
		NextProtos:             strings.Fields(request["alpn"]),
		SessionTicketsDisabled: request["tickets"] == "no",
	}
	for _, name := range strings.Fields(request["groups"]) {
		made.CurvePreferences = append(made.CurvePreferences, groups[name])
	}
	named := strings.Fields(request["suites"])
	for _, suite := range suites() {
		for _, name := range named {
			if suite.Name == name {
				made.CipherSuites = append(made.CipherSuites, suite.ID)
			}
		}
		if len(named) == 0 && request["weak"] == "yes" {
			made.CipherSuites = append(made.CipherSuites, suite.ID)
		}
	}
	for _, line := range strings.Split(request["identities"], "\n") {
		if files := strings.Fields(line); len(files) == 2 {
			pair, err := tls.LoadX509KeyPair(files[0], files[1])
			if err != nil {
				return nil, err
			}
			if request["staple"] != "" {
				if pair.OCSPStaple, err = os.ReadFile(request["staple"]); err != nil {
					return nil, err
				}
			}
			made.Certificates = append(made.Certificates, pair)
		}
	}
	roots, err := pool(request["trust"])
	if err != nil {
		return nil, err
	}
	made.RootCAs, made.ClientCAs = roots, roots
	switch {
	case request["side"] == "client":
		made.ServerName = request["server-name"]
		if request["renegotiations"] != "0" {
			made.Renegotiation = tls.RenegotiateFreelyAsClient
		}
		made.InsecureSkipVerify = request["verify"] != "require"
		if len(made.Certificates) > 0 {
			// By itself it sends none whose issuer the server does not name.
			made.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &made.Certificates[0], nil
			}
		}
	case request["verify"] == "require":
		made.ClientAuth = tls.RequireAndVerifyClientCert
	case request["verify"] == "report":
		made.ClientAuth = tls.RequestClientCert
	}
	// Like libssl, it looks at no list of revoked certificates by itself; the verdict on one is the application's.
	if request["crl"] != "" {
		revoked, err := revocations(request["crl"])
		if err != nil {
			return nil, err
		}
		made.VerifyConnection = func(state tls.ConnectionState) error {
			for _, certificate := range state.PeerCertificates {
				if revoked[certificate.SerialNumber.String()] {
					return errors.New("the certificate is revoked")
				}
			}
			return nil
		}
	}
	// It does not write down the keys of resumed sessions.
	if strings.Contains(request["steps"], "\n") {
		return made, nil
	}
	made.KeyLogWriter, err = os.OpenFile(request["key-log"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return made, err
}

func fingerprint(der []byte) string {
	digest := sha256.Sum256(der)
	var words []string
	for _, value := range digest {
		words = append(words, fmt.Sprintf("%02X", value))
	}
	return strings.Join(words, ":")
}

func versionName(version uint16) string {
	for name, number := range versions {
		if number == version {
			return name
		}
	}
	return ""
}

func yesNo(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}

func facts(told object, connection *tls.Conn, request object) error {
	state := connection.ConnectionState()
	told["version"] = versionName(state.Version)
	told["standard-name"] = tls.CipherSuiteName(state.CipherSuite)
	told["alpn"] = state.NegotiatedProtocol
	told["reused"] = yesNo(state.DidResume)
	if request["side"] == "server" {
		told["server-name"] = state.ServerName
	} else {
		told["staple"] = ""
		if len(state.OCSPResponse) > 0 {
			told["staple"] = fmt.Sprintf("%x", sha256.Sum256(state.OCSPResponse))
		}
	}
	told["peer-certificate"] = ""
	if len(state.PeerCertificates) > 0 {
		told["peer-certificate"] = fingerprint(state.PeerCertificates[0].Raw)
	}
	if request["verify"] == "require" {
		told["authorized"] = yesNo(len(state.VerifiedChains) > 0)
	}
	if state.TLSUnique != nil && request["renegotiations"] == "0" {
		name := "finished"
		if (request["side"] == "server") != state.DidResume {
			name = "peer-finished"
		}
		told[name] = hex.EncodeToString(state.TLSUnique)
	}
	if request["renegotiations"] != "0" {
		// It exports nothing where it may renegotiate.
		return nil
	}
	words := strings.Fields(request["exporter"])
	length, _ := strconv.Atoi(words[2])
	for name, context := range map[string][]byte{"exporter": nil, "exporter-with-context": []byte(words[1])} {
		// Without a master secret that is bound to the handshake, it exports nothing.
		material, err := state.ExportKeyingMaterial(words[0], context, length)
		if err != nil {
			return err
		}
		told[name] = hex.EncodeToString(material)
	}
	return nil
}

func talk(connection *tls.Conn, steps []string, request, told object) error {
	var data bytes.Buffer
	defer func() {
		told["received"] = fmt.Sprintf("%d %x", data.Len(), sha256.Sum256(data.Bytes()))
	}()
	for _, step := range steps {
		switch step {
		case "send":
			payload, err := os.ReadFile(request["send"])
			if err != nil {
				return err
			}
			if _, err := connection.Write(payload); err != nil {
				return err
			}
		case "receive":
			wanted, _ := strconv.ParseInt(request["receive"], 10, 64)
			if _, err := io.CopyN(&data, connection, wanted-int64(data.Len())); err == io.EOF {
				return errors.New("CLOSED_EARLY")
			} else if err != nil {
				return err
			}
		case "read-end":
			// To Go an end of the TCP connection is as good as close_notify, so that it cannot tell which it was.
			if _, err := io.Copy(&data, connection); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				return err
			}
		case "close":
			// A peer that has gone does not need it.
			_ = connection.CloseWrite()
		case "cut":
			return connection.NetConn().Close()
		}
	}
	return nil
}

func one(connection *tls.Conn, steps string, request object) object {
	told := object{"event": "seen", "error": "", "alert": ""}
	err := connection.Handshake()
	if err == nil {
		err = facts(told, connection, request)
	}
	if err == nil {
		err = talk(connection, strings.Fields(steps), request, told)
	}
	if err != nil {
		told["error"] = err.Error()
		told["alert"] = alert(err)
	}
	_ = connection.NetConn().Close()
	return told
}

// Go's words for the alerts that have others in the registry.
var alerts = map[string]string{
	"error decoding message":         "decode_error",
	"protocol version not supported": "protocol_version",
	"insufficient security level":    "insufficient_security",
	"unknown certificate authority":  "unknown_ca",
	"expired certificate":            "certificate_expired",
	"revoked certificate":            "certificate_revoked",
	"unsupported certificate":        "unsupported_certificate",
	"no application protocol":        "no_application_protocol",
	"certificate required":           "certificate_required",
	"handshake failure":              "handshake_failure",
	"bad certificate":                "bad_certificate",
	"access denied":                  "access_denied",
	"illegal parameter":              "illegal_parameter",
	"internal error":                 "internal_error",
	"unrecognized name":              "unrecognized_name",
	"unknown certificate":            "certificate_unknown",
	"unexpected message":             "unexpected_message",
}

// The alert that came: "remote error: tls: bad certificate".
func alert(err error) string {
	const prefix = "remote error: tls: "
	text := err.Error()
	if !strings.HasPrefix(text, prefix) {
		return ""
	}
	if name, known := alerts[text[len(prefix):]]; known {
		return name
	}
	return text[len(prefix):]
}

func revocations(file string) (map[string]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("no list in %s", file)
	}
	list, err := x509.ParseDERCRL(block.Bytes)
	if err != nil {
		return nil, err
	}
	revoked := map[string]bool{}
	for _, entry := range list.TBSCertList.RevokedCertificates {
		revoked[entry.SerialNumber.String()] = true
	}
	return revoked, nil
}

func serve(request object, say func(object)) error {
	made, err := config(request)
	if err != nil {
		return err
	}
	// It chooses by the names in the certificates, the first where none fits.
	for _, line := range strings.Split(request["names"], "\n") {
		if words := strings.Fields(line); len(words) == 3 {
			pair, err := tls.LoadX509KeyPair(words[1], words[2])
			if err != nil {
				return err
			}
			made.Certificates = append(made.Certificates, pair)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	say(object{"event": "listening", "port": strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)})
	for _, steps := range strings.Split(request["steps"], "\n") {
		tcp, err := listener.Accept()
		if err != nil {
			return err
		}
		_ = tcp.SetDeadline(time.Now().Add(patience))
		say(one(tls.Server(tcp, made), steps, request))
	}
	return nil
}

func connect(request object, say func(object)) error {
	made, err := config(request)
	if err != nil {
		return err
	}
	made.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	for _, steps := range strings.Split(request["steps"], "\n") {
		tcp, err := net.Dial("tcp", "127.0.0.1:"+request["port"])
		if err != nil {
			return err
		}
		_ = tcp.SetDeadline(time.Now().Add(patience))
		say(one(tls.Client(tcp, made), steps, request))
	}
	return nil
}

func answer(control net.Conn) {
	defer control.Close()
	say := func(line object) {
		text, _ := json.Marshal(line)
		_, _ = control.Write(append(text, '\n'))
	}
	var request object
	line, err := bufio.NewReader(control).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &request)
	}
	if err == nil {
		switch request["side"] {
		case "version":
			say(object{"version": runtime.Version()})
		case "server":
			err = serve(request, say)
		default:
			err = connect(request, say)
		}
	}
	if err != nil {
		say(object{"event": "trouble", "text": err.Error()})
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			control, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(control)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}
