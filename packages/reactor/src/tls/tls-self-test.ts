import type { CredentialsSource, Plain, Secure, SecureHandler, TlsOptions } from '@ambientmesh/hbone';
import { createReactorEngine, type ReactorEngine } from '../engine.ts';
import type { Arena } from '../memory/arena.ts';
import type { Loopback } from '../native/loopback.ts';
import { readSocketAddress } from '../sockets/socket-address.ts';

/*
 * A certificate for the self-test, its key and itself as its root: trusted by nothing else, and good from 1970 to 2199, for
 * a wrong clock is no reason to go without this engine. The name is under .invalid (RFC 6761).
 */
const CERTIFICATE_PEM = `-----BEGIN CERTIFICATE-----
MIIBqzCCAVCgAwIBAgIBATAKBggqhkjOPQQDAjAnMSUwIwYDVQQDDBxzZWxmLXRl
c3QsIHRydXN0ZWQgYnkgbm9ib2R5MCAXDTcwMDEwMTAwMDAwMFoYDzIxOTkxMjMx
MjM1OTU5WjAnMSUwIwYDVQQDDBxzZWxmLXRlc3QsIHRydXN0ZWQgYnkgbm9ib2R5
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESArLpakEuyVyK6NV2o6yeNe0tVqC
/L4Q80tLmLLxVx+KwjY4DHzYJzjsJynGWtjWe0ORC3Gn4VmkwW88K5A3UKNrMGkw
OgYDVR0RAQH/BDAwLoYsc3BpZmZlOi8vc2VsZi10ZXN0LmludmFsaWQvbnMvbm9u
ZS9zYS9ub2JvZHkwDAYDVR0TAQH/BAIwADAdBgNVHQ4EFgQUdSTtvwTqkSI0vFoE
wLL171nhgYwwCgYIKoZIzj0EAwIDSQAwRgIhALE/e42Et96AChq43/Ta6Yo8123F
lyoDlBo98qbrddroAiEA9EsHHVfPrtkupmB2PlB1Z/VY7hiGybwgEwtb0u6Zgwk=
-----END CERTIFICATE-----
`;
const PRIVATE_KEY_PEM = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZUyFiqPKhwFJwS/q
Wvkp/mHeU5iwqZ1af7cGefD/0gGhRANCAARICsulqQS7JXIro1XajrJ417S1WoL8
vhDzS0uYsvFXH4rCNjgMfNgnOOwnKcZa2NZ7Q5ELcafhWaTBbzwrkDdQ
-----END PRIVATE KEY-----
`;

/** Of what is sent each way: more than a turn takes, and than the kernel takes at once. */
const TEST_BYTES = 2_000_000;
const CHUNK_BYTES = 100_000;
const HEADER_BYTES = 9;
const TIMEOUT_MS = 5000;
const SLABS_BYTES = 8_388_608;

/** One end: what it has sent and received, and how it ended. */
class TestEnd implements SecureHandler {
  readonly #salt: number;
  secure: Secure | undefined;
  isEstablished = false;
  received = 0;
  hasEnded = false;
  fault: string | undefined;

  /** Receives what was made of `salt`. */
  constructor(salt: number) {
    this.#salt = salt;
  }

  established(): void {
    this.isEstablished = true;
  }
  bytes(memory: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++)
      if (memory[at] !== known(this.received++, this.#salt)) this.fault ??= `byte ${this.received - 1} is wrong`;
  }
  delivered(): void {}
  writable(): void {}
  ended(): void {
    this.hasEnded = true;
  }
  failed({ code, message }: { readonly code: string; readonly message: string }): void {
    this.fault ??= `${code}: ${message}`;
  }
}

/** Another byte at every place, of every `salt` others. */
function known(index: number, salt: number): number {
  return (index * 31 + (index >> 8) + salt) & 0xff;
}

/**
 * A connection with itself by an engine of its own: mutual verification, records both ways, small and large, and both ends.
 * `arena`: where the address is that `loopback` listens on. Throws whatever says what is wrong.
 */
export function testTls(loopback: Loopback, arena: Arena, records: 'own' | 'openssl' = 'own'): void {
  const engine = createReactorEngine({ slabBytes: SLABS_BYTES, debug: true, records });
  const undos: (() => void)[] = [];
  try {
    testWith(engine, loopback, arena, undos);
    for (const undo of undos.toReversed()) undo();
    undos.length = 0;
    turnUntil(engine, 'giving everything back', () => engine.holdings.descriptors === 0);
    const { slabs, tlsHandles } = engine.holdings;
    if (slabs + tlsHandles > 0) throw new Error(`${slabs} slabs and ${tlsHandles} TLS handles were not given back`);
  } finally {
    for (const undo of undos.toReversed()) undo();
    engine.close();
  }
}

function testWith(engine: ReactorEngine, loopback: Loopback, arena: Arena, undos: (() => void)[]): void {
  const seen: number[] = [];
  const source: CredentialsSource = {
    chainPem: CERTIFICATE_PEM,
    privateKeyPem: PRIVATE_KEY_PEM,
    rootsPem: [CERTIFICATE_PEM],
  };
  const credentials = engine.credentials(source);
  undos.push(() => credentials.close?.());
  const der = Buffer.from(CERTIFICATE_PEM.replace(/-----.*-----/g, ''), 'base64');
  const verify: TlsOptions['verify'] = (chain) => {
    seen.push(chain.length);
    return chain[0] !== undefined && der.equals(chain[0]) ? undefined : 'another certificate than was sent';
  };
  const options: TlsOptions = { credentials, handshakeTimeoutMs: TIMEOUT_MS, verify };
  const [client, server] = [new TestEnd(1), new TestEnd(2)];
  const plains: Plain[] = [];
  const failed = ({ message }: { readonly message: string }): void => void (client.fault ??= message);
  const listening = engine.listen(loopback.listen(), { accepted: (plain) => plains.push(plain), failed });
  undos.push(() => listening.close());
  const to = { ip: '127.0.0.1', port: readSocketAddress(arena, loopback.address).port };
  const connect = { descriptor: loopback.socket(), to, timeoutMs: TIMEOUT_MS };
  engine.connect(connect, {
    connected: (plain) => {
      client.secure = engine.secureClient(plain, options, client);
      undos.push(() => client.secure?.abort());
    },
    failed,
  });
  const healthy = (): boolean => {
    const fault = client.fault ?? server.fault;
    if (fault !== undefined) throw new Error(fault);
    return true;
  };
  turnUntil(engine, 'the connection', () => healthy() && client.secure !== undefined && plains.length === 1);
  server.secure = engine.secureServer(plains[0]!, options, server);
  undos.push(() => server.secure?.abort());
  turnUntil(engine, 'the handshake', () => healthy() && client.isEstablished && server.isEstablished);
  if (seen.join() !== '1,1') throw new Error(`certificates that were verified: ${seen.join() || 'none'}`);
  sendKnown(client.secure!, 2);
  sendKnown(server.secure, 1);
  turnUntil(engine, 'bytes', () => healthy() && client.received === TEST_BYTES && server.received === TEST_BYTES);
  client.secure!.close();
  turnUntil(engine, 'the end of the client', () => healthy() && server.hasEnded);
  let done = false;
  server.secure.close(() => (done = true));
  turnUntil(engine, 'the end of the server', () => healthy() && done);
}

function sendKnown(secure: Secure, salt: number): void {
  for (let sent = 0; sent < TEST_BYTES; sent += CHUNK_BYTES) {
    const bytes = Uint8Array.from({ length: CHUNK_BYTES }, (_, index) => known(sent + index, salt));
    secure.sendFrame(bytes.subarray(0, HEADER_BYTES), bytes, HEADER_BYTES, CHUNK_BYTES);
  }
}

function turnUntil(engine: ReactorEngine, what: string, done: () => boolean): void {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come in ${TIMEOUT_MS} ms`);
    engine.turn();
  }
}
