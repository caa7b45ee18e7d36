// Sides of cases with Java's JSSE; script.rs says how it is told. Run as it stands: `java Peer.java`.

import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import java.util.regex.*;
import javax.net.ssl.*;

public class Peer {
    static final int PATIENCE = 30_000;

    /** A certificate with its chain and key, and the name for which it is, or null. */
    record Identity(String pattern, X509Certificate[] chain, PrivateKey key) {
        boolean fits(String name) {
            if (pattern == null || name == null) return pattern == null;
            return pattern.startsWith("*.")
                ? name.endsWith(pattern.substring(1)) && name.indexOf('.') == name.length() - pattern.length() + 1
                : pattern.equals(name);
        }
    }

    /** Something that is told: a flat JSON object of strings. */
    static class Line extends LinkedHashMap<String, String> {
        static Line read(String text) {
            Line line = new Line();
            Matcher pairs = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(text);
            while (pairs.find()) line.put(plain(pairs.group(1)), plain(pairs.group(2)));
            return line;
        }

        static String plain(String escaped) {
            return escaped.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\");
        }

        static String quoted(String text) {
            StringBuilder made = new StringBuilder("\"");
            for (char c : text.toCharArray()) {
                if (c == '"' || c == '\\') made.append('\\').append(c);
                else if (c < ' ') made.append(String.format("\\u%04x", (int) c));
                else made.append(c);
            }
            return made.append('"').toString();
        }

        @Override public String toString() {
            StringJoiner pairs = new StringJoiner(",", "{", "}\n");
            forEach((name, value) -> pairs.add(quoted(name) + ":" + quoted(value)));
            return pairs.toString();
        }

        boolean is(String name, String value) { return value.equals(get(name)); }

        String[] words(String name) { return get(name).isEmpty() ? new String[0] : get(name).split(" "); }

        String[] lines(String name) { return get(name).isEmpty() ? new String[0] : get(name).split("\n"); }
    }

    static X509Certificate[] certificates(String file) throws Exception {
        try (InputStream input = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(input).toArray(new X509Certificate[0]);
        }
    }

    static Identity identity(String pattern, String certificate, String key) throws Exception {
        X509Certificate[] chain = certificates(certificate);
        String pem = Files.readString(Path.of(key)).replaceAll("-----[^-]*-----", "").replaceAll("\\s", "");
        KeyFactory factory = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm());
        return new Identity(pattern, chain,
            factory.generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem))));
    }

    /** Chooses by the kind of key and the name that was asked for. */
    static class Keys extends X509ExtendedKeyManager {
        final List<Identity> identities = new ArrayList<>();

        String find(String keyType, String name) {
            for (boolean named : new boolean[] {true, false}) {
                for (int i = 0; i < identities.size(); i++) {
                    Identity it = identities.get(i);
                    String algorithm = it.key.getAlgorithm();
                    boolean kind = keyType.equals(algorithm) || keyType.equals("EC_" + algorithm);
                    if (kind && named == (it.pattern != null) && it.fits(name)) return String.valueOf(i);
                }
            }
            return null;
        }

        public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
            return Arrays.stream(keyTypes).map(type -> find(type, null)).filter(Objects::nonNull).findFirst().orElse(null);
        }

        public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
            return find(keyType, askedName(((SSLSocket) socket).getHandshakeSession()));
        }

        public String[] getClientAliases(String keyType, Principal[] issuers) { return aliases(keyType); }

        public String[] getServerAliases(String keyType, Principal[] issuers) { return aliases(keyType); }

        String[] aliases(String keyType) {
            String found = find(keyType, null);
            return found == null ? null : new String[] {found};
        }

        public X509Certificate[] getCertificateChain(String alias) { return identities.get(Integer.parseInt(alias)).chain; }

        public PrivateKey getPrivateKey(String alias) { return identities.get(Integer.parseInt(alias)).key; }
    }

    /** Trusts everybody. */
    static class Anybody extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}
        public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}
        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
        public void checkClientTrusted(X509Certificate[] chain, String type) {}
        public void checkServerTrusted(X509Certificate[] chain, String type) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    static TrustManager[] trust(Line request) throws Exception {
        if (!request.is("verify", "require") || request.get("trust").isEmpty()) {
            return new TrustManager[] {new Anybody()};
        }
        Set<TrustAnchor> anchors = new HashSet<>();
        for (X509Certificate root : certificates(request.get("trust"))) anchors.add(new TrustAnchor(root, null));
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
        parameters.setRevocationEnabled(!request.get("crl").isEmpty());
        if (!request.get("crl").isEmpty()) {
            try (InputStream input = Files.newInputStream(Path.of(request.get("crl")))) {
                Collection<? extends CRL> lists = CertificateFactory.getInstance("X.509").generateCRLs(input);
                parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
            }
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(new CertPathTrustManagerParameters(parameters));
        return factory.getTrustManagers();
    }

    static SSLContext context(Line request) throws Exception {
        Keys keys = new Keys();
        for (String line : request.lines("identities")) {
            String[] files = line.split(" ");
            keys.identities.add(identity(null, files[0], files[1]));
        }
        for (String line : request.lines("names")) {
            String[] words = line.split(" ");
            keys.identities.add(identity(words[0], words[1], words[2]));
        }
        SSLContext made = SSLContext.getInstance("TLS");
        made.init(new KeyManager[] {keys}, trust(request), null);
        return made;
    }

    static void set(SSLSocket socket, Line request) {
        socket.setEnabledProtocols(
            Arrays.stream(request.words("versions")).map(v -> v.replace("TLSv1.0", "TLSv1")).toArray(String[]::new));
        SSLParameters parameters = socket.getSSLParameters();
        String[] suites = request.words("suites");
        if (suites.length > 0) parameters.setCipherSuites(suites);
        parameters.setUseCipherSuitesOrder(true);
        if (request.words("alpn").length > 0) parameters.setApplicationProtocols(request.words("alpn"));
        if (request.is("side", "client")) {
            parameters.setServerNames(List.of(new SNIHostName(request.get("server-name"))));
            if (request.is("verify", "require")) parameters.setEndpointIdentificationAlgorithm("HTTPS");
        } else if (request.is("verify", "require")) {
            parameters.setNeedClientAuth(true);
        } else if (request.is("verify", "report")) {
            parameters.setWantClientAuth(true);
        }
        socket.setSSLParameters(parameters);
    }

    static String hex(byte[] bytes, String separator) {
        StringJoiner words = new StringJoiner(separator);
        for (byte b : bytes) words.add(String.format(separator.isEmpty() ? "%02x" : "%02X", b));
        return words.toString();
    }

    static byte[] sha256(byte[] bytes) throws Exception { return MessageDigest.getInstance("SHA-256").digest(bytes); }

    static String askedName(SSLSession session) {
        for (SNIServerName name : ((ExtendedSSLSession) session).getRequestedServerNames()) {
            return new String(name.getEncoded(), StandardCharsets.US_ASCII);
        }
        return null;
    }

    static String fingerprint(Certificate[] chain) throws Exception {
        return chain == null || chain.length == 0 ? "" : hex(sha256(chain[0].getEncoded()), ":");
    }

    static void facts(SSLSocket socket, Line request, Line told) throws Exception {
        SSLSession session = socket.getSession();
        told.put("version", session.getProtocol());
        // What SSL 3.0 had, too, has that in its name.
        told.put("standard-name", session.getCipherSuite().replaceFirst("^SSL_", "TLS_"));
        told.put("alpn", Objects.requireNonNullElse(socket.getApplicationProtocol(), ""));
        Certificate[] peer = null;
        try {
            peer = session.getPeerCertificates();
        } catch (SSLPeerUnverifiedException none) {
            // It has none.
        }
        told.put("peer-certificate", fingerprint(peer));
        told.put("own-certificate", fingerprint(session.getLocalCertificates()));
        if (request.is("side", "server")) {
            told.put("server-name", Objects.requireNonNullElse(askedName(session), ""));
        } else {
            List<byte[]> responses = ((ExtendedSSLSession) session).getStatusResponses();
            told.put("staple", responses.isEmpty() ? "" : hex(sha256(responses.get(0)), ""));
        }
    }

    static void talk(SSLSocket socket, String[] steps, Line request, Line told) throws Exception {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        int wanted = Integer.parseInt(request.get("receive"));
        byte[] chunk = new byte[65536];
        try {
            for (String step : steps) {
                switch (step) {
                    case "send" -> {
                        socket.getOutputStream().write(Files.readAllBytes(Path.of(request.get("send"))));
                        socket.getOutputStream().flush();
                    }
                    case "receive" -> {
                        while (data.size() < wanted) {
                            int count = socket.getInputStream().read(chunk);
                            if (count < 0) throw new EOFException("CLOSED_EARLY");
                            data.write(chunk, 0, count);
                        }
                    }
                    case "read-end" -> {
                        String end = "close-notify";
                        try {
                            for (int count; (count = socket.getInputStream().read(chunk)) >= 0; ) data.write(chunk, 0, count);
                        } catch (EOFException cut) {
                            end = "cut";
                        } catch (SSLException cut) {
                            boolean ends = cut.getMessage().startsWith("Remote host terminated");
                            if (!ends && !(cut.getCause() instanceof EOFException)) throw cut;
                            end = "cut";
                        }
                        told.put("end", end);
                    }
                    case "close" -> {
                        if (!socket.isOutputShutdown()) socket.shutdownOutput();
                    }
                    case "renegotiate" -> {
                        for (int left = Integer.parseInt(request.get("renegotiations")); left > 0; left--) {
                            socket.startHandshake();
                        }
                    }
                    case "cut" -> { }
                }
            }
        } finally {
            byte[] all = data.toByteArray();
            told.put("received", all.length + " " + hex(sha256(all), ""));
        }
    }

    static final Pattern RECEIVED = Pattern.compile("Received fatal alert: (\\w+)");
    static final Pattern SENT = Pattern.compile("^\\((\\w+)\\) ");

    /** One connection. `tcp` is closed by the caller: at once, without a word of TLS, where the steps end with a cut. */
    static Line one(SSLSocket socket, String steps, Line request) {
        Line told = new Line();
        told.put("event", "seen");
        told.put("error", "");
        told.put("alert", "");
        try {
            socket.startHandshake();
            facts(socket, request, told);
            talk(socket, steps.split(" "), request, told);
        } catch (Exception error) {
            String text = String.valueOf(error.getMessage());
            told.put("error", text);
            for (Pattern pattern : List.of(RECEIVED, SENT)) {
                Matcher found = pattern.matcher(text);
                if (found.find()) told.put("alert", found.group(1));
            }
        }
        return told;
    }

    static void serve(Line request, Writer out) throws Exception {
        SSLSocketFactory factory = context(request).getSocketFactory();
        try (ServerSocket listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            listener.setSoTimeout(PATIENCE);
            Line listening = new Line();
            listening.put("event", "listening");
            listening.put("port", String.valueOf(listener.getLocalPort()));
            say(listening, out);
            for (String steps : request.lines("steps")) {
                try (Socket tcp = listener.accept()) {
                    tcp.setSoTimeout(PATIENCE);
                    SSLSocket socket = (SSLSocket) factory.createSocket(tcp, (InputStream) null, false);
                    socket.setUseClientMode(false);
                    set(socket, request);
                    say(one(socket, steps, request), out);
                }
            }
        }
    }

    static void connect(Line request, Writer out) throws Exception {
        SSLSocketFactory factory = context(request).getSocketFactory();
        int port = Integer.parseInt(request.get("port"));
        for (String steps : request.lines("steps")) {
            try (Socket tcp = new Socket("127.0.0.1", port)) {
                tcp.setSoTimeout(PATIENCE);
                SSLSocket socket = (SSLSocket) factory.createSocket(tcp, request.get("server-name"), port, false);
                set(socket, request);
                say(one(socket, steps, request), out);
            }
        }
    }

    static void say(Line line, Writer out) throws IOException {
        out.write(line.toString());
        out.flush();
    }

    static void answer(Socket control) {
        try (control;
             BufferedReader in = new BufferedReader(new InputStreamReader(control.getInputStream(), StandardCharsets.UTF_8));
             Writer out = new OutputStreamWriter(control.getOutputStream(), StandardCharsets.UTF_8)) {
            Line request = Line.read(in.readLine());
            try {
                switch (request.get("side")) {
                    case "version" -> {
                        Line version = new Line();
                        version.put("version", System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
                        say(version, out);
                    }
                    case "server" -> serve(request, out);
                    default -> connect(request, out);
                }
            } catch (Exception error) {
                Line trouble = new Line();
                trouble.put("event", "trouble");
                trouble.put("text", error.toString());
                say(trouble, out);
            }
        } catch (IOException gone) {
            // Nobody listens any more.
        }
    }

    public static void main(String[] arguments) throws Exception {
        // What is too weak is the table's business.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.tls.legacyAlgorithms", "");
        Security.setProperty("jdk.certpath.disabledAlgorithms", "");
        ServerSocket listener = new ServerSocket(0, 64, InetAddress.getByName("127.0.0.1"));
        System.out.println(listener.getLocalPort());
        Thread accepting = new Thread(() -> {
            try {
                while (true) {
                    Socket control = listener.accept();
                    new Thread(() -> answer(control)).start();
                }
            } catch (IOException end) {
                // The program ends.
            }
        });
        accepting.setDaemon(true);
        accepting.start();
        while (System.in.read() >= 0) { }
        System.exit(0);
    }
}
