import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  closeDescriptor,
  connectSeqpacket,
  duplicate,
  listenSeqpacket,
  Namespace,
  probe,
  type SeqpacketConnection,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'leaks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

const refused = (code: string): unknown => expect.objectContaining({ code });

const TIMES = 10_000;
/** A round of the operations below. */
const OPERATIONS_A_ROUND = 20;
const ROUNDS = TIMES / OPERATIONS_A_ROUND;

test(`${TIMES} operations without privilege, failing and cancelled ones among them, leave no descriptor`, async () => {
  const server = listenSeqpacket(join(folder, 'leaks.sock'));
  probe();
  const before = openDescriptors();
  for (let round = 0; round < ROUNDS; round += 1) {
    // 1-4: connect, accept, packets with descriptors both ways, one cut.
    const [client, peer] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
    if (peer === undefined) throw new Error('closed');
    await client.send(Buffer.from('two'), [0, 0]);
    await peer.send(Buffer.from('three, of which one comes'), [0, 0, 0]);
    closeAll(await peer.receive());
    closeAll(await client.receive({ maxBytes: 4, maxDescriptors: 1 }));
    // 5-8: sending what cannot be sent, and what nobody fetches.
    await expect(client.send(Buffer.from('bad'), [-1])).rejects.toMatchObject({ errno: 'EBADF' });
    await expect(client.send(new Uint8Array(0))).rejects.toEqual(refused('NETNS_INVALID_ARGUMENT'));
    await client.send(Buffer.from('lost'), [0]);
    // 9-11: cancelled half-way, and before the start.
    const cancel = new AbortController();
    const cancelled = [client.receive({ signal: cancel.signal }), server.accept({ signal: cancel.signal })];
    cancel.abort(new Error('cancelled'));
    for (const each of cancelled) await expect(each).rejects.toThrow('cancelled');
    await expect(connectSeqpacket(server.path, { signal: cancel.signal })).rejects.toThrow('cancelled');
    // 12-14: nobody there, no such thing, a server that is not the first.
    await expect(connectSeqpacket(join(folder, 'nobody'))).rejects.toEqual(refused('NETNS_GONE'));
    await expect(connectSeqpacket('x'.repeat(200))).rejects.toEqual(refused('NETNS_INVALID_ARGUMENT'));
    expect(() => listenSeqpacket(join(folder, 'none', 'none.sock'))).toThrow(refused('NETNS_GONE'));
    listenSeqpacket(join(folder, 'short.sock')).close();
    // 15-19: namespaces that are and are not, descriptors.
    using own = Namespace.current();
    using same = Namespace.ofDescriptor(duplicate(own.fd));
    expect(same.sameAs(own)).toBe(true);
    expect(() => Namespace.open('/run/netns/no-such-namespace')).toThrow(refused('NETNS_GONE'));
    expect(() => Namespace.ofDescriptor(-1)).toThrow(refused('NETNS_SYSTEM_CALL'));
    expect(() => duplicate(-1)).toThrow(refused('NETNS_SYSTEM_CALL'));
    // 20: closed while it waits.
    const waiting = client.receive();
    client.close();
    await expect(waiting).rejects.toEqual(refused('NETNS_CLOSED'));
    peer.close();
  }
  probe();
  expect(openDescriptors()).toBe(before);
  server.close();
}, 60_000);

function closeAll(packet: Awaited<ReturnType<SeqpacketConnection['receive']>>): void {
  for (const fd of packet?.fds ?? []) closeDescriptor(fd);
}
