import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { closeDescriptor } from './descriptors.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOL_SOCKET } from './kernel-constants.ts';
import { receivePacket, sendPacket } from './message-packet.ts';
import { native } from './native.ts';
import { setOption } from './socket-options.ts';

/** `SO_PASSCRED`: each packet comes with the sender's process id, user and group in a control message of its own. */
const PASS_CREDENTIALS = { level: SOL_SOCKET, number: 16, name: 'SO_PASSCRED' };
/** `SO_TIMESTAMP_OLD`: and one with the time. */
const TIMESTAMP = { level: SOL_SOCKET, number: 29, name: 'SO_TIMESTAMP' };

let near: number;
let far: number;
let before: number;
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const descriptors = (count: number): number[] => Array.from({ length: count }, () => near);

beforeEach(() => {
  const pair = Buffer.alloc(8);
  native().socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
  near = pair.readInt32LE(0);
  far = pair.readInt32LE(4);
  before = openDescriptors();
});
afterEach(() => {
  const left = openDescriptors() - before;
  if (left !== 0) throw new Error(`${left} descriptors leaked`);
  closeDescriptor(near);
  closeDescriptor(far);
});

function receive(maxBytes: number, maxDescriptors?: number): { bytes: string; count: number; truncated: boolean } {
  const packet = receivePacket(far, maxBytes, maxDescriptors);
  if (packet === undefined) throw new Error('nothing there');
  for (const fd of packet.fds) closeDescriptor(fd);
  return { bytes: Buffer.from(packet.bytes).toString(), count: packet.fds.length, truncated: packet.truncated };
}

test.each([
  { sent: 0, room: 0, count: 0, truncated: false },
  { sent: 1, room: 0, count: 0, truncated: true },
  { sent: 1, room: 1, count: 1, truncated: false },
  // With room rounded up to whole words, as CMSG_SPACE does, a second one would come.
  { sent: 2, room: 1, count: 1, truncated: true },
  { sent: 3, room: 1, count: 1, truncated: true },
  { sent: 253, room: 2, count: 2, truncated: true },
  { sent: 253, room: 253, count: 253, truncated: false },
  { sent: 253, room: undefined, count: 253, truncated: false },
])('$sent descriptors into room for $room: $count come, truncated $truncated', ({ sent, room, count, truncated }) => {
  expect(sendPacket(near, Buffer.from('x'), descriptors(sent))).toBe(true);
  expect(receive(10, room)).toEqual({ bytes: 'x', count, truncated });
});

test('bytes and descriptors may both be cut', () => {
  sendPacket(near, Buffer.alloc(1_025, 'y'), descriptors(3));
  expect(receive(1_024, 1)).toEqual({ bytes: 'y'.repeat(1_024), count: 1, truncated: true });
  sendPacket(near, Buffer.alloc(1_024, 'z'), descriptors(1));
  expect(receive(1_024, 1)).toEqual({ bytes: 'z'.repeat(1_024), count: 1, truncated: false });
});

test('control messages of other kinds are ignored, descriptors beside them come', () => {
  setOption(far, PASS_CREDENTIALS, 1);
  setOption(far, TIMESTAMP, 1);
  sendPacket(near, Buffer.from('plain'), []);
  expect(receive(10)).toEqual({ bytes: 'plain', count: 0, truncated: false });
  sendPacket(near, Buffer.from('with'), descriptors(253));
  expect(receive(10)).toEqual({ bytes: 'with', count: 253, truncated: false });
});

test('descriptors behind credentials that take all the room are closed by the kernel, and it says so', () => {
  setOption(far, PASS_CREDENTIALS, 1);
  sendPacket(near, Buffer.from('x'), descriptors(2));
  expect(receive(10, 1)).toEqual({ bytes: 'x', count: 0, truncated: true });
});

test('descriptors that nobody fetches are closed with the socket', () => {
  for (let round = 0; round < 5; round += 1) sendPacket(near, Buffer.from('x'), descriptors(10));
  expect(openDescriptors()).toBe(before);
});

test('limits of sending are typed, and nothing is sent', () => {
  for (const [bytes, count] of [
    [65_537, 0],
    [1, 254],
  ] as const)
    expect(() => sendPacket(near, new Uint8Array(bytes), descriptors(count))).toThrow(
      expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT' }),
    );
  expect(receivePacket(far, 10)).toBeUndefined();
});
