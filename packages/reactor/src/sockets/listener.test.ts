import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Plain } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { ReactorListener } from './listener.ts';
import { socketShare } from './socket-share.ts';
import { openDescriptors, SocketRig } from './testing/socket-rig.ts';

const QUIET = { readable: () => {}, written: () => {}, failed: () => {} };
const SLAB_BYTES = 16_384;
/** A process that starts, on a busy machine. */
const PROCESS_TIMEOUT_MS = 30_000;

test('at most 64 are accepted in a turn; the rest in the next', async () => {
  await using rig = new SocketRig();
  const accepted: Plain[] = [];
  const { port } = rig.listen((plain) => {
    plain.handler = QUIET;
    accepted.push(plain);
  });
  let most = 0;
  const peers = Array.from({ length: 100 }, () => rig.socket(port));
  while (peers.some(({ connecting }) => connecting)) await new Promise(setImmediate);
  await rig.until(() => {
    const before = accepted.length;
    rig.reactor.turn(0);
    most = Math.max(most, accepted.length - before);
    return accepted.length === 100;
  }, 'all');
  expect(most).toBe(64);
  for (const plain of accepted) plain.reset();
});

test('a connection that was reset before it was accepted does not stop the others', async () => {
  await using rig = new SocketRig();
  const accepted: Plain[] = [];
  const { port, failures } = rig.listen((plain) => {
    plain.handler = QUIET;
    accepted.push(plain);
  });
  const first = rig.socket(port);
  await new Promise((resolve) => first.once('connect', resolve));
  first.resetAndDestroy();
  const second = rig.socket(port);
  await new Promise((resolve) => second.once('connect', resolve));
  await rig.until(() => accepted.some(({ remote }) => remote.port === second.localPort), 'the second');
  expect(failures).toEqual([]);
  for (const plain of accepted) plain.reset();
});

test('slabs are nearly used up: accepting pauses, says so once, and goes on when there are some again', async () => {
  await using rig = new SocketRig({ slabBytes: 32 * SLAB_BYTES });
  const accepted: Plain[] = [];
  const { port, failures } = rig.listen((plain) => {
    plain.handler = QUIET;
    accepted.push(plain);
  });
  const slabs = Array.from({ length: 31 }, () => rig.reactor.slabs.take());
  const peer = rig.socket(port);
  await new Promise((resolve) => peer.once('connect', resolve));
  let waited = false;
  rig.reactor.after(250, () => (waited = true));
  await rig.until(() => waited, 'retries');
  expect([accepted.length, failures]).toEqual([
    0,
    [{ code: 'ENOMEM', message: '31 of 32 slabs for unsent bytes are taken (slow readers?)' }],
  ]);
  for (const slab of slabs) rig.reactor.slabs.give(slab);
  await rig.until(() => accepted.length === 1, 'accepted');
  expect(failures).toHaveLength(1);
  accepted[0]?.reset();
});

test('descriptors are used up: the same, once an episode; running connections go on', {
  timeout: PROCESS_TIMEOUT_MS,
}, async () => {
  const script = fileURLToPath(new URL('testing/descriptors-exhausted.ts', import.meta.url));
  const command = `ulimit -n 64 && exec "${process.execPath}" --conditions=@ambientmesh/source "${script}"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  const failure = {
    code: 'EMFILE',
    message: 'Too many open files (os error 24)',
    detail: expect.stringContaining('accepting pauses') as unknown,
  };
  expect(JSON.parse(stdout)).toEqual([
    { accepted: 0, failures: [failure], told: 1 },
    { accepted: 0, failures: [failure], told: 1 },
  ]);
});

test('descriptors are spared: accepting pauses before the kernel has none, and goes on when there are some again', async () => {
  await using rig = new SocketRig();
  const accepted: Plain[] = [];
  let resumed = 0;
  const { port, failures } = rig.listen(
    (plain) => {
      plain.handler = QUIET;
      accepted.push(plain);
    },
    () => resumed++,
  );
  const share = socketShare(rig.reactor);
  const peers = Array.from({ length: 5 }, () => rig.socket(port));
  await Promise.all(peers.map((peer) => new Promise((resolve) => peer.once('connect', resolve))));
  const lowest = rig.loopback.socket();
  rig.reactor.calls.close(lowest);
  // The lowest two that are free, and what is between them.
  share.descriptorLimit = lowest + 1;
  let waited = false;
  rig.reactor.after(250, () => (waited = true));
  await rig.until(() => waited, 'retries');
  expect(accepted.length).toBeLessThan(5);
  expect(failures).toMatchObject([{ code: 'EMFILE', detail: expect.stringContaining('accepting pauses') as unknown }]);
  expect(resumed).toBe(0);
  share.descriptorLimit = Number.POSITIVE_INFINITY;
  await rig.until(() => accepted.length === 5 && resumed === 1, 'the rest');
  expect(failures).toHaveLength(1);
  for (const plain of accepted) plain.reset();
});

test('closed while it pauses: nothing comes back', async () => {
  await using rig = new SocketRig({ slabBytes: 16 * SLAB_BYTES });
  const before = openDescriptors();
  const { port, failures, close } = rig.listen(() => {});
  const slabs = Array.from({ length: 16 }, () => rig.reactor.slabs.take());
  const peer = rig.socket(port);
  await rig.until(() => failures.length === 1, 'pause');
  close();
  close();
  peer.destroy();
  for (const slab of slabs) rig.reactor.slabs.give(slab);
  let waited = false;
  rig.reactor.after(150, () => (waited = true));
  await rig.until(() => waited, 'retry');
  expect(openDescriptors()).toBe(before);
});

test('what is no listener is said once, not from inside, and tried again', async () => {
  await using rig = new SocketRig();
  const failures: string[] = [];
  const listener = new ReactorListener(rig.reactor, rig.loopback.socket(), {
    accepted: () => {},
    failed: ({ code }) => void failures.push(code),
  });
  expect(failures).toEqual([]);
  let waited = false;
  rig.reactor.after(250, () => (waited = true));
  await rig.until(() => waited, 'retries');
  expect(failures).toEqual(['EINVAL']);
  listener.close();
});
