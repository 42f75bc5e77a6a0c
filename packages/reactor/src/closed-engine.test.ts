import type { Plain, Secure, SecureHandler } from '@ambientmesh/hbone';
import { createThrowAwayAuthority } from '@ambientmesh/hbone/testing';
import { expect, test } from 'vitest';
import { createReactorEngine, type ReactorEngine } from './engine.ts';
import { EngineRig, openDescriptors } from './testing/engine-rig.ts';

const NOWHERE = { ip: '127.0.0.1', port: 1 };
const CLOSED = expect.objectContaining({ name: 'ReactorError', code: 'REACTOR_CLOSED' });
const nothing = (): void => {};
const silent: SecureHandler = {
  established: nothing,
  bytes: nothing,
  delivered: nothing,
  writable: nothing,
  ended: nothing,
  failed: nothing,
};

test.each<{ method: keyof ReactorEngine; call: (engine: ReactorEngine) => unknown }>([
  { method: 'turn', call: (engine) => engine.turn(0) },
  { method: 'openListener', call: (engine) => engine.openListener({ ip: '127.0.0.1', port: 0 }) },
  { method: 'openSocket', call: (engine) => engine.openSocket(NOWHERE) },
  { method: 'listen', call: (engine) => engine.listen(-1, { accepted: nothing, failed: nothing }) },
  {
    method: 'connect',
    call: (engine) =>
      engine.connect({ descriptor: -1, to: NOWHERE, timeoutMs: 1 }, { connected: nothing, failed: nothing }),
  },
  { method: 'adopt', call: (engine) => engine.adopt(-1) },
  { method: 'credentials', call: (engine) => engine.credentials(createThrowAwayAuthority().issue('spiffe://a/b')) },
  { method: 'after', call: (engine) => engine.after(0, nothing) },
  { method: 'atEndOfTurn', call: (engine) => engine.atEndOfTurn(nothing) },
])('$method of a closed engine throws REACTOR_CLOSED, and opens nothing', ({ call }) => {
  const before = openDescriptors();
  const engine = createReactorEngine();
  engine.close();
  expect(() => call(engine)).toThrow(CLOSED);
  expect(openDescriptors()).toBe(before);
});

test('a closed engine holds nothing, and has no descriptor to wake it by', () => {
  const engine = createReactorEngine();
  expect(engine.wakeDescriptor).toBeGreaterThan(0);
  engine.close();
  expect(engine.holdings).toEqual({ descriptors: 0, slabs: 0, tlsHandles: 0 });
  expect(engine.wakeDescriptor).toBe(-1);
  expect(engine.now()).toBeGreaterThan(0);
});

test('connections that outlive their engine can be closed, cut and reset; what needs it throws', async () => {
  const before = openDescriptors();
  const rig = new EngineRig(createReactorEngine({ debug: true }));
  const { engine } = rig;
  const accepted: Plain[] = [];
  const { port, close } = rig.listen((plain) => accepted.push(plain));
  const [closed, reset, closing] = [await rig.dial(port), await rig.dial(port), await rig.dial(port)];
  await rig.until(() => accepted.length === 3, 'accepted');
  closed.write(Buffer.from('never sent'), 0, 10);
  closing.close();
  engine.close();
  const read = (): number => closed.read(1, { bytes: nothing });
  expect(read).toThrow(CLOSED);
  expect(() => reset.write(Buffer.from('x'), 0, 1)).toThrow(CLOSED);
  expect(() => reset.write(Buffer.from('x'), 0, 1)).toThrow(CLOSED);
  expect(() => reset.end()).toThrow(CLOSED);
  for (const plain of [closed, closing, ...accepted]) plain.close();
  reset.reset();
  close();
  await rig[Symbol.asyncDispose]().catch(nothing);
  expect(read()).toBe(0);
  expect(engine.holdings.slabs).toBe(0);
  expect(openDescriptors()).toBe(before);
});

test.each(['own', 'openssl'] as const)('so can TLS connections, with records: %s', async (records) => {
  const before = openDescriptors();
  const rig = new EngineRig(createReactorEngine({ debug: true, records }));
  const { engine } = rig;
  const authority = createThrowAwayAuthority();
  const credentials = engine.credentials(authority.issue('spiffe://example.org/one'));
  const options = { credentials, verify: () => undefined, handshakeTimeoutMs: 30_000 };
  let established = 0;
  const handler = { ...silent, established: () => void established++ };
  const secures: Secure[] = [];
  const { port, close } = rig.listen((plain) => secures.push(engine.secureServer(plain, options, handler)));
  for (let count = 0; count < 2; count++) secures.push(engine.secureClient(await rig.dial(port), options, handler));
  const late = await rig.dial(port);
  await rig.until(() => established === 4 && secures.length === 5, 'handshakes');
  engine.close();
  // That of `late` is in its handshake, and keeps what it is to send.
  for (const secure of secures.filter(({ peerChain }) => peerChain.length > 0))
    for (let time = 0; time < 2; time++) expect(() => secure.send(Buffer.from('x'), 0, 1)).toThrow(CLOSED);
  expect(() => engine.secureClient(late, options, silent)).toThrow(CLOSED);
  for (const [index, secure] of secures.entries()) {
    if (index % 2 === 0) secure.close();
    secure.abort();
  }
  late.close();
  credentials.close?.();
  close();
  await rig[Symbol.asyncDispose]().catch(nothing);
  expect(openDescriptors()).toBe(before);
});

test.each([0, -1, Number.NaN])('descriptorLimit %d is refused', (descriptorLimit) => {
  expect(() => createReactorEngine({ descriptorLimit })).toThrow(
    expect.objectContaining({ code: 'REACTOR_INVALID_ARGUMENT' }),
  );
});
