import { afterEach, expect, test, vi } from 'vitest';
import { dialHostile, type HostilePeer, listenHostile } from '../testing/hostile-peer.ts';
import { dialSocket, listenSockets } from '../testing/loopback.ts';
import { connectBlock, data, FLAG, headers, PREFACE, ping, settings, statusBlock } from '../testing/raw-frames.ts';
import { forwardTo, type Outcome, serveTo } from '../testing/relayed.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
const scope = { engine: createTestEngine(), cleanup };
const LAST = 'last words';
const CASES = (['peer', 'application'] as const).flatMap((who) => [LAST, ''].map((rest) => ({ who, rest })));

afterEach(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** What the peer saw that is no orderly end, once it has both ends and everything that we said until then. */
async function faultsOf(peer: HostilePeer, outcomes: readonly Outcome[]): Promise<readonly unknown[]> {
  await peer.until(() => peer.ended.has(1), 'END_STREAM');
  await vi.waitUntil(() => outcomes[0]?.ended === true, { interval: 2, timeout: 20_000 });
  await peer.send(ping());
  await peer.until(() => peer.pongs > 0, 'answer to PING');
  return [...peer.resets, ...peer.goaways, ...outcomes.filter(({ failure }) => failure !== undefined)];
}

test.each(CASES)(
  'a server says no RST_STREAM when both have ended, $who first, "$rest" with the peer\'s end',
  async ({ who, rest }) => {
    const outcomes: Outcome[] = [];
    const application = await listenSockets((socket) => {
      if (who === 'application') socket.end(LAST);
      socket.on('end', () => socket.end(LAST));
      socket.resume();
    }, cleanup);
    const peer = await dialHostile(
      await serveTo(scope, application, { outcomes }),
      Buffer.concat([PREFACE, settings()]),
    );
    cleanup(() => peer.socket.destroy());
    await peer.send(headers(1, connectBlock('a:1')));
    if (who === 'application') await peer.until(() => peer.ended.has(1), 'END_STREAM');
    await peer.send(data(1, Buffer.from(rest), FLAG.END_STREAM));
    expect(await faultsOf(peer, outcomes)).toEqual([]);
  },
);

test.each(CASES)(
  'a client says no RST_STREAM when both have ended, $who first, "$rest" with the peer\'s end',
  async ({ who, rest }) => {
    const outcomes: Outcome[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<HostilePeer>();
    const hostile = await listenHostile((accepted) => void accepted.secure(settings()).then(resolve, reject));
    cleanup(() => hostile.close());
    const port = await forwardTo(scope, hostile.port, { outcomes });
    const application = await dialSocket(port, cleanup);
    application.on('end', () => application.end());
    application.resume();
    const peer = await promise;
    cleanup(() => peer.socket.destroy());
    await peer.until(() => peer.blocks.has(1), 'request');
    await peer.send(headers(1, statusBlock(200)));
    if (who === 'application') {
      application.end(LAST);
      await peer.until(() => peer.ended.has(1), 'END_STREAM');
    }
    await peer.send(data(1, Buffer.from(rest), FLAG.END_STREAM));
    expect(await faultsOf(peer, outcomes)).toEqual([]);
  },
);
