'use strict';
// Node for the benchmark. It speaks as src/child.rs says, and does the rows of src/row.rs that go over TCP, in the same
// sizes, with both ends in this process.
const { spawnSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const tls = require('tls');

const fixture = (name) => fs.readFileSync(path.join(__dirname, '../../fixtures/pki', name));
const once = (emitter, event) =>
  new Promise((resolve, reject) => {
    const happened = (value) => {
      emitter.off('error', reject);
      resolve(value);
    };
    emitter.once(event, happened).once('error', reject);
  });

// The case of this name: as in src/case.rs.
function caseOf(name, suite = 'aes128') {
  const [version, kind] = name.split('-');
  return { isOld: version === '1.2', isRsa: kind === 'rsa', resume: ['id', 'ticket'].find((how) => how === kind), suite };
}
const records = (suite) => caseOf('1.3-ecdsa', suite);

function contextOptions(it) {
  const version = it.isOld ? 'TLSv1.2' : 'TLSv1.3';
  const suites = {
    aes128: ['ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256', 'TLS_AES_128_GCM_SHA256'],
    chacha20: ['ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305', 'TLS_CHACHA20_POLY1305_SHA256'],
  }[it.suite];
  return { minVersion: version, maxVersion: version, ciphers: suites[it.isOld ? 0 : 1], ecdhCurve: 'X25519:P-256' };
}

// Contexts of both sides, and a port to meet at.
class Meeting {
  static async at(it) {
    const meeting = new Meeting();
    meeting.resume = it.resume;
    meeting.context = tls.createSecureContext({ ...contextOptions(it), ca: fixture(it.isRsa ? 'root.pem' : 'root-ec.pem') });
    const name = it.isRsa ? 'server-rsa' : 'server-p256';
    meeting.server = tls.createServer({
      ...contextOptions(it),
      cert: fixture(`${name}.pem`),
      key: fixture(`${name}.key`),
      noDelay: true,
      secureOptions: it.resume === 'id' ? crypto.constants.SSL_OP_NO_TICKET : 0,
    });
    if (it.resume === 'id') {
      const sessions = new Map();
      meeting.server.on('newSession', (id, data, done) => done(void sessions.set(id.toString('hex'), data)));
      meeting.server.on('resumeSession', (id, done) => done(null, sessions.get(id.toString('hex')) ?? null));
    }
    meeting.server.listen(0, '127.0.0.1');
    await once(meeting.server, 'listening');
    return meeting;
  }

  // A connection: the client's end, then the server's.
  async connect(session) {
    const accepted = once(this.server, 'secureConnection');
    const { port } = this.server.address();
    const client = tls.connect({
      host: '127.0.0.1', port, servername: 'localhost', secureContext: this.context, noDelay: true, session,
    });
    const secure = once(client, 'secureConnect');
    if (this.resume) client.on('session', (newest) => (this.session ??= newest));
    const [server] = await Promise.all([accepted, secure]);
    if (client.isSessionReused() !== Boolean(session)) throw new Error('resumption is not as it is to be');
    return [client, server];
  }

  async part(ends) {
    const closed = ends.map((end) => once(end, 'close'));
    for (const end of ends) end.destroy();
    await Promise.all(closed);
  }

  // Makes one connection to get a session.
  async remember() {
    if (!this.resume) return;
    const ends = await this.connect();
    ends[1].write('x');
    await once(ends[0], 'data');
    await this.part(ends);
    if (!this.session) throw new Error('there is no session');
  }

  close() {
    this.server.close();
  }
}

async function timed(units, work) {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return `${units}\t${(user + system) / 1e6}`;
}

async function handshakes(it, count) {
  const meeting = await Meeting.at(it);
  await meeting.remember();
  const answer = await timed(count, async () => {
    for (let i = 0; i < count; i++) await meeting.part(await meeting.connect(meeting.session));
  });
  meeting.close();
  return answer;
}

// Moves bytes from one end to the other, in writes of this size: each waited for, each handed to the stream, which merges
// what waits (`buffered`), or sixteen at a time (`vectored`).
async function bulk(it, size, how, total) {
  const meeting = await Meeting.at(it);
  const [from, to] = await meeting.connect();
  const bytes = Buffer.alloc(size, 0x5a);
  const answer = await timed(total / 2 ** 20, async () => {
    const received = new Promise((resolve) => {
      let left = total;
      to.on('data', (data) => (left -= data.length) <= 0 && resolve());
    });
    for (let left = total; left > 0; ) {
      if (how === 'plain') {
        await new Promise((resolve) => from.write(bytes, resolve));
        left -= size;
      } else {
        const slices = how === 'vectored' ? 16 : 1;
        if (slices > 1) from.cork();
        for (let i = 0; i < slices; i++) from.write(bytes);
        if (slices > 1) from.uncork();
        left -= slices * size;
        if (from.writableNeedDrain) await once(from, 'drain');
      }
    }
    await received;
  });
  await meeting.part([from, to]);
  meeting.close();
  return answer;
}

// Sends a message to and fro, `count` times.
function pingPong(near, far, size, count) {
  const message = Buffer.alloc(size, 0x5a);
  return new Promise((resolve) => {
    const whole = (end, then) => {
      let left = size;
      end.on('data', (data) => {
        left -= data.length;
        if (left > 0) return;
        left = size;
        then();
      });
    };
    let left = count;
    whole(far, () => far.write(message));
    whole(near, () => {
      if (--left > 0) return near.write(message);
      near.removeAllListeners('data');
      far.removeAllListeners('data');
      resolve();
    });
    near.write(message);
  });
}

async function roundTrips(size, count) {
  const meeting = await Meeting.at(records());
  const ends = await meeting.connect();
  await pingPong(...ends, size, 10);
  const answer = await timed(count, () => pingPong(...ends, size, count));
  await meeting.part(ends);
  meeting.close();
  return answer;
}

function contexts(roots, count) {
  // Without `ca` it takes the roots that are compiled in, which it keeps.
  const options = roots === 'none' ? { ca: [] } : {};
  tls.createSecureContext(options);
  return timed(count, () => {
    for (let i = 0; i < count; i++) tls.createSecureContext(options);
  });
}

// Pairs of connections that a MiB has room for: resident memory of a fresh process, since nothing else tells of all of it.
function idle(count) {
  const words = ['--expose-gc', __filename, 'idle', count];
  const { status, stdout } = spawnSync(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error('the process with the idle connections has failed');
  return `${(count * 2 ** 20) / Number(stdout)}\t1`;
}

async function measureIdle(count) {
  const meeting = await Meeting.at(records());
  const open = [];
  const pairs = async (count) => {
    for (let i = 0; i < count; i++) {
      const ends = await meeting.connect();
      await pingPong(...ends, 1024, 1);
      open.push(ends);
    }
    global.gc();
    return process.memoryUsage.rss();
  };
  const before = await pairs(20);
  console.log(await pairs(count) - before);
  process.exit(0);
}

function answer(row, count) {
  const is = (pattern) => row.match(pattern)?.slice(1);
  let words;
  if ((words = is(/^handshake tcp (\S+)$/))) return handshakes(caseOf(words[0]), count);
  if ((words = is(/^bulk tcp (\S+) (\d+)k$/))) return bulk(records(words[0]), words[1] * 1024, 'plain', count * 2 ** 18);
  if ((words = is(/^small tcp 1k ?(.*)$/))) return bulk(records(), 1024, words[0] || 'plain', count * 2 ** 18);
  if ((words = is(/^ping-pong (\d+)$/))) return roundTrips(Number(words[0]), count);
  if ((words = is(/^context (none|mozilla)$/))) return contexts(words[0], count);
  if (row === 'idle') return idle(count);
  return '-';
}

async function serve() {
  console.log(`node\t${process.versions.node}`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [row, count] = line.split('\t');
    try {
      console.log(await answer(row, Number(count)));
    } catch (error) {
      console.log(`!${String(error.stack).replace(/\n/g, ' ')}`);
    }
  }
}

if (process.argv[2] === 'idle') measureIdle(Number(process.argv[3]));
else serve();
