import { afterEach, expect, test } from 'vitest';
import type { CredentialsSource, TlsOptions } from '../engine.ts';
import { dialPlain, listenPlain } from '../testing/loopback.ts';
import { createThrowAwayAuthority } from '../testing/throw-away-credentials.ts';
import { createNodeEngine, type NodeEngine } from './engine.ts';

const URI = 'spiffe://example.org/ns/default/sa/peer';
const HANDSHAKE_TIMEOUT_MS = 10_000;
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};
const nobody = (): void => {};
const QUIET = { bytes: nobody, delivered: nobody, writable: nobody, ended: nobody };

afterEach(async () => {
  // Not from inside a handshake's callback: Node frees what OpenSSL is still using when both sockets go there.
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

interface Handshake {
  /** Of the server and the client. */
  readonly said: readonly string[];
  /** Certificates that `verify` was asked about. */
  readonly looked: readonly number[];
}

/** What each end says of a handshake between two with these credentials. */
async function shakeHands(engine: NodeEngine, credentials: CredentialsSource): Promise<Handshake> {
  const looked: number[] = [];
  const tls: TlsOptions = {
    credentials: engine.credentials(credentials),
    verify: (chain) => void looked.push(chain.length),
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  };
  const server = Promise.withResolvers<string>();
  const client = Promise.withResolvers<string>();
  const end = ({ resolve }: typeof server) => ({
    ...QUIET,
    established: () => resolve('established'),
    failed: ({ message }: { readonly message: string }) => resolve(message),
  });
  const port = await listenPlain(
    engine,
    (plain) => {
      const secure = engine.secureServer(plain, tls, end(server));
      cleanup(() => secure.abort());
    },
    cleanup,
  );
  const secure = engine.secureClient(await dialPlain(engine, port, cleanup), tls, end(client));
  cleanup(() => secure.abort());
  const said = [await server.promise, await client.promise];
  return { said, looked };
}

test.each([
  { what: '16 certificates', intermediates: 15, uri: URI },
  { what: '60 KiB', intermediates: 1, uri: `${URI}${'x'.repeat(60_000)}` },
])('a chain of $what is verified', async ({ intermediates, uri }) => {
  const { said, looked } = await shakeHands(createNodeEngine(), createThrowAwayAuthority({ intermediates }).issue(uri));
  expect(said).toEqual(['established', 'established']);
  expect(looked).toEqual([intermediates + 1, intermediates + 1]);
});

test.each([
  { what: '17 certificates', intermediates: 16, uri: URI },
  { what: 'more than 64 KiB', intermediates: 1, uri: `${URI}${'x'.repeat(65_060)}` },
])('a chain of $what is refused unseen by both ends', async ({ intermediates, uri }) => {
  const { said, looked } = await shakeHands(createNodeEngine(), createThrowAwayAuthority({ intermediates }).issue(uri));
  expect(said[1]).toContain('certificate chain too long');
  expect(said).not.toContain('established');
  expect(looked).toEqual([]);
});
