import { SocketAddress as NodeAddress } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { SOCKADDR_IN, SOCKADDR_IN6 } from '../native/kernel-layout.ts';
import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from './socket-address.ts';

const arena = new Arena(4096);
const at = arena.reserve(SOCKET_ADDRESS_BYTES);
afterAll(() => arena.close());

test.each([
  { ip: '127.0.0.1', bytes: SOCKADDR_IN.size },
  { ip: '255.0.9.1', bytes: SOCKADDR_IN.size },
  { ip: '::', bytes: SOCKADDR_IN6.size },
  { ip: '::1', bytes: SOCKADDR_IN6.size },
  { ip: 'fd00::', bytes: SOCKADDR_IN6.size },
  { ip: 'fd00:0:0:1::9', bytes: SOCKADDR_IN6.size },
  { ip: '1:2:3:4:5:6:7:8', bytes: SOCKADDR_IN6.size },
  { ip: '1:0:3:4:5:6:7:8', bytes: SOCKADDR_IN6.size },
  { ip: '2001:db8::1:0:0:1', bytes: SOCKADDR_IN6.size },
  { ip: '::ffff:0:0:1', bytes: SOCKADDR_IN6.size },
])('$ip is written and read', ({ ip, bytes }) => {
  arena.bytes.fill(0xee, at, at + SOCKET_ADDRESS_BYTES);
  expect(writeSocketAddress(arena, at, { ip, port: 65_000 })).toBe(bytes);
  expect(readSocketAddress(arena, at)).toEqual({ ip, port: 65_000 });
});

test.each([
  { text: '::ffff:10.1.2.3', ip: '10.1.2.3' },
  { text: '::FFFF:A01:203', ip: '10.1.2.3' },
  { text: '64:ff9b::10.1.2.3', ip: '64:ff9b::a01:203' },
  { text: 'FD00:0000:0000:0000:0000:0000:0000:0001', ip: 'fd00::1' },
  { text: '1:0:0:4:0:0:7:8', ip: '1::4:0:0:7:8' },
  { text: '1:2:3:4:5:6:0:0', ip: '1:2:3:4:5:6::' },
])('$text is read as $ip', ({ text, ip }) => {
  writeSocketAddress(arena, at, { ip: text, port: 1 });
  expect(readSocketAddress(arena, at)).toEqual({ ip, port: 1 });
});

test('random addresses are read as Node writes them', () => {
  for (let round = 0; round < 200; round++) {
    const groups = Array.from({ length: 8 }, () => (Math.random() < 0.5 ? 0 : Math.floor(Math.random() * 0x1_0000)));
    // Not v4-mapped, nor what Node writes in the deprecated v4-compatible form.
    groups[0] = 0x2001;
    const ip = groups.map((group) => group.toString(16)).join(':');
    writeSocketAddress(arena, at, { ip, port: 9 });
    expect(readSocketAddress(arena, at).ip).toBe(new NodeAddress({ address: ip, family: 'ipv6' }).address);
  }
});

test.each([
  { ip: '', port: 1 },
  { ip: 'localhost', port: 1 },
  { ip: '1.2.3', port: 1 },
  { ip: 'fe80::1%lo', port: 1 },
  { ip: '127.0.0.1', port: 65_536 },
  { ip: '127.0.0.1', port: -1 },
  { ip: '127.0.0.1', port: 1.5 },
])('$ip port $port is no address', (address) => {
  expect(writeSocketAddress(arena, at, address)).toBe(0);
});

test('of another family nothing is known', () => {
  arena.view.setUint16(at, 1, true);
  expect(readSocketAddress(arena, at)).toEqual({ ip: '', port: 0 });
});
