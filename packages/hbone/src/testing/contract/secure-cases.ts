import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { TlsOptions } from '../../engine.ts';
import { type ContractCase, contractCase } from './contract-case.ts';
import { Digest, SeededRandom } from './random-bytes.ts';
import { CLIENT, contractAuthorities, SERVER } from './scene.ts';
import { acceptedFromNode, accepting, identity, SecureLog, tunnel } from './secure-ends.ts';

const STREAM_BYTES = 3_000_000;
const CHUNK_BYTES = 100_000;
const SHORT_TIMEOUT_MS = 30;
const SEEDS = [11, 12];

const lives: readonly ContractCase[] = [false, true].flatMap((foreign) => [
  contractCase(
    `Secure${foreign ? ' on a foreign Plain' : ''}: established first, the peer’s chain as DER`,
    async (scene) => {
      const { client, server } = await tunnel(scene, foreign);
      for (const [end, uri] of [
        [client, SERVER],
        [server, CLIENT],
      ] as const) {
        assert.deepEqual(end.log.events, ['established']);
        const [leaf] = end.secure.peerChain;
        assert.equal(new X509Certificate(leaf!).subjectAltName, `URI:${uri}`);
      }
      assert.deepEqual(client.secure.local, server.secure.remote);
    },
  ),
  contractCase(
    `Secure${foreign ? ' on a foreign Plain' : ''}: close leaves behind all that was sent, then \`done\``,
    async (scene) => {
      const { client, server } = await tunnel(scene, foreign);
      const sent = new Digest();
      const chunk = new SeededRandom(1).bytes(CHUNK_BYTES);
      for (let count = 0; count < 20; count++) {
        client.secure.send(chunk, 0, chunk.length);
        sent.add(chunk);
      }
      let [done, inside] = [0, true];
      client.secure.close(() => {
        assert.ok(!inside);
        done++;
      });
      inside = false;
      client.secure.send(chunk, 0, chunk.length);
      await scene.until(() => server.log.has('ended'), 'ended');
      assert.equal(server.log.received.text(), sent.text());
      server.secure.close();
      await scene.until(() => done > 0, 'done');
      client.secure.close(() => done++);
      await scene.settle();
      assert.equal(done, 1);
      assert.deepEqual(client.log.events, ['established']);
      assert.equal(client.secure.room, 0);
    },
  ),
]);

const flows: readonly ContractCase[] = [
  ...SEEDS.flatMap((seed) =>
    [false, true].map((foreign) =>
      contractCase(
        `Secure${foreign ? ' on a foreign Plain' : ''}: both ways, random sizes (seed ${seed})`,
        async (scene) => {
          const { client, server } = await tunnel(scene, foreign);
          const random = new SeededRandom(seed);
          const sent = new Map([client, server].map((end) => [end, new Digest()]));
          while ([...sent.values()].some(({ bytes }) => bytes < STREAM_BYTES)) {
            const end = random.below(2) === 0 ? client : server;
            if (end.secure.room > 0) {
              const chunk = random.bytes(random.size());
              if (random.below(2) === 0) end.secure.send(chunk, 0, chunk.length);
              else end.secure.sendFrame(chunk.subarray(0, 1), chunk, 1, chunk.length);
              sent.get(end)?.add(chunk);
              // What was passed in may be written to at once.
              chunk.fill(0);
            } else await scene.harness.turn();
            if (random.below(8) === 0) await scene.harness.turn();
          }
          const all = (): boolean =>
            server.log.received.bytes === sent.get(client)?.bytes &&
            client.log.received.bytes === sent.get(server)?.bytes;
          await scene.until(all, `all bytes (seed ${seed})`);
          assert.equal(server.log.received.text(), sent.get(client)?.text(), `seed ${seed}`);
          assert.equal(client.log.received.text(), sent.get(server)?.text(), `seed ${seed}`);
        },
      ),
    ),
  ),
  contractCase(
    'Secure: pause stops `bytes` and in the end the writer; room, and `writable` once there is some',
    async (scene) => {
      const { client, server } = await tunnel(scene);
      const sent = new Digest();
      const chunk = new SeededRandom(3).bytes(CHUNK_BYTES);
      server.secure.pause();
      await scene.settle();
      const before = server.log.received.bytes;
      for (let idle = 0; idle < 5; ) {
        if (client.secure.room > 0) {
          client.secure.send(chunk, 0, chunk.length);
          sent.add(chunk);
          idle = 0;
        } else idle++;
        await scene.harness.turn();
      }
      assert.equal(server.log.received.bytes, before);
      assert.ok(!client.log.has('writable'));
      server.secure.resume();
      await scene.until(() => server.log.received.bytes === sent.bytes, 'all bytes');
      await scene.until(() => client.log.has('writable'), 'writable');
      assert.ok(client.secure.room > 0);
      assert.equal(server.log.received.text(), sent.text());
    },
  ),
  contractCase('Secure: pause from inside `bytes` is obeyed at once, and nothing is lost', async (scene) => {
    const { client, server } = await tunnel(scene);
    const [sent, received] = [new Digest(), new Digest()];
    let [paused, early] = [false, 0];
    server.secure.handler = {
      established: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: () => {},
      bytes: (memory, start, end) => {
        if (paused) early++;
        received.add(memory, start, end);
        paused = true;
        server.secure.pause();
      },
    };
    const chunk = new SeededRandom(4).bytes(STREAM_BYTES / 4);
    client.secure.send(chunk, 0, chunk.length);
    sent.add(chunk);
    while (received.bytes < sent.bytes) {
      await scene.until(() => paused, 'bytes');
      await scene.harness.turn();
      paused = false;
      server.secure.resume();
    }
    assert.equal(early, 0);
    assert.equal(received.text(), sent.text());
  }),
  contractCase('Secure.abort: nothing more is heard, `done` of a close before it is; the peer fails', async (scene) => {
    const { client, server } = await tunnel(scene);
    const chunk = Buffer.alloc(CHUNK_BYTES);
    server.secure.pause();
    for (let count = 0; count < 100; count++) client.secure.send(chunk, 0, chunk.length);
    let done = 0;
    client.secure.close(() => done++);
    await scene.settle();
    assert.equal(done, 0);
    client.secure.abort();
    client.secure.abort();
    await scene.until(() => done === 1, 'done');
    server.secure.resume();
    await scene.until(() => server.log.has('failed') || server.log.has('ended'), 'the peer’s end');
    assert.deepEqual(client.log.events, ['established']);
  }),
];

interface Refusal {
  readonly name: string;
  readonly tls?: Partial<TlsOptions>;
  readonly peer: () => ConnectionOptions;
  readonly text: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    name: 'another authority',
    peer: () => identity(CLIENT, contractAuthorities().stranger),
    text: /UnknownIssuer|BadSignature/,
  },
  {
    name: 'no certificate',
    peer: () => ({ ca: [...contractAuthorities().trusted.issue(CLIENT).rootsPem], ALPNProtocols: ['h2'] }),
    text: /NoCertificatesPresented/,
  },
  {
    name: '`verify` refuses',
    tls: { verify: () => 'because' },
    peer: () => identity(CLIENT),
    text: /Other\(OtherError\(because\)\)/,
  },
  {
    name: 'ALPN without h2',
    peer: () => ({ ...identity(CLIENT), ALPNProtocols: ['http/1.1'] }),
    text: /NoApplicationProtocol/,
  },
  { name: 'TLS 1.2', peer: () => ({ ...identity(CLIENT), maxVersion: 'TLSv1.2' }), text: /SupportedVersions/ },
];

const handshakes: readonly ContractCase[] = [
  ...refusals.map(({ name, tls = {}, peer, text }) =>
    contractCase(`secureServer, ${name}: failed with TLS, once`, async (scene) => {
      const end = await accepting(scene, scene.tls(SERVER, tls), peer());
      await scene.until(() => end.log.events.length > 0, 'an end');
      await scene.settle();
      assert.deepEqual([end.log.events, end.log.failure?.code], [['failed'], 'TLS']);
      assert.match(end.log.failure?.message ?? '', text);
      await scene.until(() => end.peer.destroyed || end.peer.readableEnded, 'the peer’s end');
    }),
  ),
  ...[
    {
      name: 'another authority',
      stranger: true,
      tls: {},
      text: /^invalid peer certificate: (UnknownIssuer|BadSignature)$/,
    },
    {
      name: '`verify` refuses',
      stranger: false,
      tls: { verify: () => 'because' },
      text: /^invalid peer certificate: Other\(OtherError\(because\)\)$/,
    },
  ].map(({ name, stranger, tls, text }) =>
    contractCase(`secureClient, ${name}: failed with TLS, once`, async (scene) => {
      const { dialled, accepted } = await scene.pair();
      const { engine } = scene.harness;
      const authority = contractAuthorities()[stranger ? 'stranger' : 'trusted'];
      const server = engine.secureServer(accepted, scene.tls(SERVER, { authority }), new SecureLog());
      const log = new SecureLog();
      const client = engine.secureClient(dialled, scene.tls(CLIENT, tls), log);
      scene.later(() => server.abort());
      scene.later(() => client.abort());
      await scene.until(() => log.events.length > 0, 'an end');
      await scene.settle();
      assert.deepEqual([log.events, log.failure?.code], [['failed'], 'TLS']);
      assert.match(log.failure?.message ?? '', text);
    }),
  ),
];

const hostile: readonly ContractCase[] = [
  ...[
    { name: 'garbage', act: (peer: Socket) => void peer.write(Buffer.alloc(1000, 0xa5)), code: 'TLS' },
    { name: 'HTTP', act: (peer: Socket) => void peer.write('GET / HTTP/1.1\r\n\r\n'), code: 'TLS' },
    { name: 'FIN', act: (peer: Socket) => void peer.end(), code: 'ECONNRESET' },
    { name: 'RST', act: (peer: Socket) => void peer.resetAndDestroy(), code: 'ECONNRESET' },
    { name: 'half a record', act: (peer: Socket) => void peer.end(Buffer.of(22, 3, 1, 2, 0, 1)), code: 'ECONNRESET' },
    { name: 'silence', act: () => {}, code: 'TLS' },
  ].map(({ name, act, code }) =>
    contractCase(`secureServer, ${name} in place of a handshake: failed with ${code}, once`, async (scene) => {
      const { dialled, accepted } = await acceptedFromNode(scene);
      const log = new SecureLog();
      const tls = scene.tls(SERVER, name === 'silence' ? { handshakeTimeoutMs: SHORT_TIMEOUT_MS } : {});
      const secure = scene.harness.engine.secureServer(accepted, tls, log);
      scene.later(() => secure.abort());
      dialled.resume();
      act(dialled);
      await scene.until(() => log.events.length > 0, 'an end');
      await scene.until(() => dialled.destroyed || dialled.readableEnded, 'the peer’s end');
      await scene.settle();
      assert.deepEqual([log.events, log.failure?.code], [['failed'], code]);
    }),
  ),
  contractCase('Secure: garbage inside of TLS is failed with TLS, once', async (scene) => {
    const log = new SecureLog();
    const { port, close } = await scene.harness.listen((plain) => {
      const secure = scene.harness.engine.secureServer(plain, scene.tls(SERVER), log);
      scene.later(() => secure.abort());
    });
    scene.later(close);
    const between: Socket[] = [];
    const proxy = await scene.listen((socket) => {
      const upstream = scene.own(connectTcp(port, '127.0.0.1'));
      between.push(upstream);
      socket.pipe(upstream).pipe(socket);
    });
    const options = { port: proxy, host: '127.0.0.1', checkServerIdentity: () => undefined, ...identity(CLIENT) };
    scene.own(connect(options));
    await scene.until(() => log.has('established'), 'established');
    between[0]?.write(Buffer.concat([Buffer.of(23, 3, 3, 0, 100), Buffer.alloc(100, 0x5a)]));
    await scene.until(() => log.has('failed'), 'failed');
    await scene.settle();
    assert.deepEqual([log.events, log.failure?.code], [['established', 'failed'], 'TLS']);
  }),
  ...[
    { name: 'close_notify', end: (peer: TLSSocket) => void peer.end(), unannounced: false },
    { name: 'FIN without close_notify', end: (_peer: TLSSocket, raw: Socket) => void raw.end(), unannounced: true },
  ].map(({ name, end, unannounced }) =>
    contractCase(`Secure: the peer’s ${name} is an end behind all bytes, told of as what it is`, async (scene) => {
      const { log, peer, raw } = await accepting(scene, scene.tls(SERVER), identity(CLIENT));
      await scene.until(() => log.has('established'), 'established');
      const sent = new Digest();
      const chunk = new SeededRandom(5).bytes(CHUNK_BYTES);
      sent.add(chunk);
      let left = false;
      peer.write(chunk, () => (left = true));
      await scene.until(() => left, 'all bytes left');
      end(peer, raw);
      await scene.until(() => log.has('ended'), 'ended');
      await scene.settle();
      assert.deepEqual(log.events, ['established', 'ended']);
      assert.equal(log.received.text(), sent.text());
      assert.equal(log.unannounced, unannounced && scene.harness.tellsUnannouncedEnds === true);
    }),
  ),
  contractCase('Secure: the peer’s RST is failed with ECONNRESET, once', async (scene) => {
    const end = await accepting(scene, scene.tls(SERVER), identity(CLIENT));
    await scene.until(() => end.log.has('established'), 'established');
    end.raw.resetAndDestroy();
    await scene.until(() => end.log.has('failed'), 'failed');
    await scene.settle();
    assert.deepEqual(end.log.events, ['established', 'failed']);
  }),
];

/** The rules of `Secure` and of the handshakes. */
export const secureCases: readonly ContractCase[] = [...lives, ...flows, ...handshakes, ...hostile];
