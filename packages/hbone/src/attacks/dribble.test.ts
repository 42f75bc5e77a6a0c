import { afterEach, expect, test } from 'vitest';
import { dialHostile } from '../testing/hostile-peer.ts';
import { listenSockets } from '../testing/loopback.ts';
import { connectBlock, headers, PREFACE, SETTING, settings, Type, windowUpdate } from '../testing/raw-frames.ts';
import { serveTo } from '../testing/relayed.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
const UPDATES = 500;

afterEach(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

test('CVE-2019-9511: a window that opens octet by octet in one turn is one frame, not as many as octets', async () => {
  const application = await listenSockets((socket) => void socket.write(Buffer.alloc(65_536)), cleanup);
  const port = await serveTo({ engine: createTestEngine(), cleanup }, application);
  const peer = await dialHostile(port, Buffer.concat([PREFACE, settings([SETTING.INITIAL_WINDOW_SIZE, 1])]));
  cleanup(() => peer.socket.destroy());
  await peer.send(headers(1, connectBlock('a:1')));
  // Its window is used up: the application's bytes are there, and wait.
  await peer.until(() => peer.received.get(1) === 1, 'first octet');
  await peer.send(Buffer.concat(Array.from({ length: UPDATES }, () => windowUpdate(1, 1))));
  await peer.until(() => peer.received.get(1) === 1 + UPDATES, 'all octets');
  // One record is one turn; a few are allowed for a machine that cuts it.
  expect(peer.frames.get(Type.DATA)).toBeLessThan(10);
});
