import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import type { TlsOptions } from '@ambientmesh/hbone';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createReactorEngine } from '../engine.ts';
import { Arena } from '../memory/arena.ts';
import { OpenSsl } from '../native/open-ssl.ts';
import { EngineRig } from '../testing/engine-rig.ts';
import { TlsLog } from '../testing/tls-log.ts';
import { ReactorCredentials } from './tls-context.ts';

const SSL_VERIFY_NONE = 0;

const arena = new Arena(65_536);
const { call } = new OpenSsl(arena);
const rig = new EngineRig(createReactorEngine({ debug: true, closeLingerMs: 500, closeStalledMs: 500 }));
const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  arena.close();
});

const fixture = (name: string): string =>
  readFileSync(new URL(`../../../hbone/fixtures/${name}`, import.meta.url), 'utf8');

/** Credentials whose connections ask their peer for nothing, as no code of ours makes them. */
function negligent(): TlsOptions {
  const credentials = rig.engine.credentials({
    chainPem: fixture('server.pem'),
    privateKeyPem: fixture('server.key.pem'),
    rootsPem: [fixture('root.pem')],
  });
  undos.push(() => credentials.close?.());
  if (!(credentials instanceof ReactorCredentials)) throw new TypeError('credentials of another engine');
  call.SSL_CTX_set_verify(credentials.context, SSL_VERIFY_NONE, 0);
  return { credentials, verify: () => undefined, handshakeTimeoutMs: 5000 };
}

test('a handshake that OpenSSL finishes without a verified peer is none', async () => {
  const log = new TlsLog();
  const listening = rig.listen((plain) => {
    const secure = rig.engine.secureServer(plain, negligent(), log);
    undos.push(() => secure.abort());
  });
  undos.push(() => listening.close());
  const peer = connect({
    port: listening.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
  });
  undos.push(() => peer.destroy());
  peer.on('error', () => undefined).on('data', () => undefined);
  await rig.until(() => peer.destroyed && log.failure !== undefined, 'the refusal');
  expect(log.events).toEqual(['failed']);
  expect(log.failure).toEqual({ code: 'TLS', message: 'the peer has not been verified' });
  await rig.until(() => rig.engine.holdings.tlsHandles === 0, 'the session given back');
});
