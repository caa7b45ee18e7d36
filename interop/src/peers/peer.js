'use strict';
// One side of a case with Node's tls module. The options come as JSON in the first argument; what is seen goes out as
// JSON, one object a line: {"listening": PORT}, {"keylog": LINE}, {"seen": {"error", "facts"}}.
const crypto = require('crypto');
const fs = require('fs');
const tls = require('tls');

const options = JSON.parse(process.argv[2]);
const isServer = options.side === 'server';
const say = (line) => fs.writeSync(1, JSON.stringify(line) + '\n');

function contextOptions() {
  const read = (files) => files && [].concat(files).map((file) => fs.readFileSync(file));
  const context = { ...options.tls };
  for (const name of ['cert', 'key', 'ca', 'crl']) context[name] = read(context[name]);
  if (context.dhparam && context.dhparam !== 'auto') context.dhparam = fs.readFileSync(context.dhparam);
  // With it, a Node server never says that a client has left within the handshake.
  if (options.psk) {
    const key = Buffer.from(options.psk.key, 'hex');
    context.pskCallback = isServer
      ? (socket, identity) => (identity === options.psk.identity ? key : null)
      : () => ({ psk: key, identity: options.psk.identity });
    context.checkServerIdentity = () => undefined;
  }
  const at = (step) => options.steps.indexOf(step);
  const isBefore = (first, second) => at(first) !== -1 && at(second) > at(first);
  context.allowHalfOpen = isBefore('read-end', 'send') || isBefore('close', 'receive');
  return context;
}

// The lines that every peer sends: "from-SIDE NUMBER"; the last byte ends a line.
function payload(side, size) {
  let text = '';
  for (let number = 0; text.length < size; number++) text += `from-${side} ${number}\n`;
  return Buffer.from(size ? text.slice(0, size - 1) + '\n' : '');
}

function certificateObject(certificate) {
  if (!certificate || !certificate.raw) return '';
  const { issuerCertificate, ...object } = certificate;
  for (const field of ['pubkey', 'raw']) if (object[field]) object[field] = object[field].toString('hex');
  return JSON.stringify(object);
}

function facts(socket) {
  const cipher = socket.getCipher();
  const hex = (bytes) => (bytes ? bytes.toString('hex') : '');
  const peer = socket.getPeerCertificate();
  const own = socket.getCertificate();
  const exported = (context) =>
    hex(socket.exportKeyingMaterial(options.exporter.length, options.exporter.label, context));
  const told = {
    'version': socket.getProtocol(),
    'cipher': cipher.name,
    'standard-name': cipher.standardName,
    'cipher-version': cipher.version,
    'alpn': socket.alpnProtocol || '',
    'server-name': socket.servername || '',
    'peer-certificate': (peer && peer.fingerprint256) || '',
    'own-certificate': (own && own.fingerprint256) || '',
    'peer-object': certificateObject(peer),
    'finished': hex(socket.getFinished()),
    'peer-finished': hex(socket.getPeerFinished()),
    'exporter': exported(undefined),
    'exporter-with-context': exported(Buffer.from(options.exporter.context)),
    'reused': socket.isSessionReused() ? 'yes' : 'no',
    'authorized': socket.authorized ? 'yes' : 'no',
    'authorization-error': socket.authorizationError || '',
  };
  if (options.renegotiations > 0) {
    // They are those of the last handshake.
    delete told.finished;
    delete told['peer-finished'];
  }
  if (isServer) {
    told.sigalgs = socket.getSharedSigalgs().join(':');
  } else {
    const key = socket.getEphemeralKeyInfo() || {};
    told['peer-key'] = [key.type, key.name, key.size].filter((word) => word !== undefined).join(' ');
  }
  if (socket.isSessionReused()) {
    // Node has no certificate of the server then, nor, until TLS 1.3, the name that was asked for.
    const forgotten = isServer ? ['server-name'] : ['peer-certificate', 'peer-object'];
    for (const fact of forgotten) if (!told[fact]) delete told[fact];
  }
  return told;
}

// Does the steps of the case on an established connection, then calls done(error code or null, received).
function talk(socket, done) {
  const steps = options.steps.slice();
  const chunks = [];
  let length = 0;
  let ended = false;
  let finished = false;
  const finish = (error) => {
    if (finished) return;
    finished = true;
    const data = Buffer.concat(chunks);
    done(error, `${data.length} ${crypto.createHash('sha256').update(data).digest('hex')}`);
  };
  const go = () => {
    while (!finished) {
      if (steps.length === 0) return finish(null);
      switch (steps[0]) {
        case 'send':
          steps.shift();
          socket.write(payload(options.side, options.send), go);
          return;
        case 'receive':
          if (length < options.receive && !ended) return;
          if (length < options.receive) return finish('CLOSED_EARLY');
          break;
        case 'read-end':
          if (!ended) return;
          break;
        case 'close':
          steps.shift();
          socket.end(go);
          return;
        case 'renegotiate': {
          steps.shift();
          let left = options.renegotiations;
          const next = (error) => {
            if (error) return finish(error.code);
            if (left-- > 0) socket.renegotiate({}, next);
            else go();
          };
          next(null);
          return;
        }
        case 'cut':
          socket.destroy();
          break;
      }
      steps.shift();
    }
  };
  socket.on('data', (chunk) => { chunks.push(chunk); length += chunk.length; go(); });
  socket.on('end', () => { ended = true; go(); });
  socket.on('error', (error) => finish(error.code));
  socket.on('close', () => { ended = true; go(); });
  go();
}

function serve() {
  const sessions = new Map();
  let left = options.connections;
  const server = tls.createServer(contextOptions());
  for (const { pattern, cert, key } of options.names) {
    server.addContext(pattern, { cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
  }
  if (options.cache) {
    server.on('newSession', (id, data, next) => { sessions.set(id.toString('hex'), data); next(); });
    server.on('resumeSession', (id, next) => next(null, sessions.get(id.toString('hex')) || null));
  }
  if (options.staple) {
    const response = fs.readFileSync(options.staple);
    server.on('OCSPRequest', (certificate, issuer, callback) => callback(null, response));
  }
  const connectionDone = () => { if (--left === 0) server.close(); };
  server.on('keylog', (line) => say({ keylog: line.toString().trim() }));
  server.on('tlsClientError', (error) => {
    say({ seen: { error: error.code, text: error.message, facts: {} } });
    connectionDone();
  });
  if (options.limit !== null) tls.CLIENT_RENEG_LIMIT = options.limit;
  server.on('secureConnection', (socket) => {
    if (options.limit === null) socket.disableRenegotiation();
    const told = facts(socket);
    talk(socket, (error, received) => {
      say({ seen: { error, facts: { ...told, received } } });
      if (error) socket.destroy();
      connectionDone();
    });
  });
  server.listen(0, '127.0.0.1', () => say({ listening: server.address().port }));
}

function connect(left, session) {
  if (left === 0) return;
  const socket = tls.connect({ ...contextOptions(), host: '127.0.0.1', port: options.port, session });
  let told = null;
  let newSession;
  // Until TLS 1.3 it comes before secureConnect, later after it.
  socket.on('session', (data) => { newSession = data; });
  let staple = '';
  socket.on('OCSPResponse', (response) => {
    staple = response ? crypto.createHash('sha256').update(response).digest('hex') : '';
  });
  const failed = (error) => {
    if (told) return;
    told = {};
    say({ seen: { error: error.code, text: error.message, facts: {} } });
    socket.destroy();
    connect(left - 1);
  };
  socket.on('keylog', (line) => say({ keylog: line.toString().trim() }));
  socket.on('error', failed);
  socket.once('secureConnect', () => {
    told = facts(socket);
    told.staple = staple;
    talk(socket, (error, received) => {
      say({ seen: { error, facts: { ...told, received } } });
      socket.destroy();
      connect(left - 1, newSession);
    });
  });
}

if (isServer) serve();
else connect(options.connections);
