/** Node's TLS at the other end, with each cipher suite, against either maker of records. */
import { once } from 'node:events';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Secure } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { TlsLog } from '../testing/tls-log.ts';
import { NOTHING, TunnelRig } from '../testing/tunnel-rig.ts';
import { issue, tlsOf } from './side.ts';

const BYTES = 300_000;
const { chainPem: cert, privateKeyPem: key } = issue('node');
const TEXT = Buffer.alloc(BYTES).map((_, index) => index * 7);

const ROWS = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'].flatMap((suite) =>
  (['own', 'openssl'] as const).flatMap((records) =>
    (['client', 'server'] as const).map((role) => ({ suite, records, role })),
  ),
);

test.each(ROWS)('$suite, records $records, as a $role: there and back', async ({ suite, records, role }) => {
  await using rig = new TunnelRig({ records, recordsPerKey: 4 });
  const tls = tlsOf(rig.engine, 'us');
  const log = new TlsLog();
  const options = { cert, key, ciphers: suite, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  let secure: Secure | undefined;
  let peer: TLSSocket | undefined;
  let server: Server | undefined;
  if (role === 'server') {
    peer = connect({ ...options, port: rig.port, host: '127.0.0.1' });
    secure = rig.engine.secureServer(await rig.accept(), tls, log);
  } else {
    server = createServer({ ...options, requestCert: true }, (socket) => (peer = socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const plain = await rig.dial(typeof address === 'object' && address !== null ? address.port : 0);
    secure = rig.engine.secureClient(plain, tls, log);
  }
  await rig.until(() => log.has('established') && peer !== undefined, 'the handshake');
  peer!.on('error', () => {});
  let back = Buffer.alloc(0);
  peer!.on('data', (chunk: Buffer) => {
    back = Buffer.concat([back, chunk]);
    peer!.write(chunk);
  });
  secure.send(TEXT, 0, BYTES);
  await rig.until(() => log.received === BYTES, 'all there and back');
  expect(back.equals(TEXT)).toBe(true);
  expect([peer!.getCipher().name, log.failure]).toEqual([suite, undefined]);
  secure.close();
  await rig.until(() => peer!.destroyed, 'the end');
  server?.close();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});
