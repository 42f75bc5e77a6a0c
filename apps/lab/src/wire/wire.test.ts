import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTcpFrame, renderEndpoint } from './frame.ts';
import { parseListeningSockets } from './listening-sockets.ts';
import { decodeTlsRecordHeader, isTls } from './stream-content.ts';
import { containsText, summarizeWire } from './wire-summary.ts';

interface FrameSpec {
  readonly from: readonly [string, number];
  readonly to: readonly [string, number];
  readonly sequence?: number;
  readonly flags?: number;
  readonly payload?: Uint8Array | string;
  /** Bytes after the packet, as Ethernet pads short ones. */
  readonly padding?: number;
}

const SYN = 0x02;
const ACK = 0x10;

function buildFrame(spec: FrameSpec): Buffer {
  const payload = Buffer.from(spec.payload ?? '');
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(spec.from[1], 0);
  tcp.writeUInt16BE(spec.to[1], 2);
  tcp.writeUInt32BE(spec.sequence ?? 1, 4);
  tcp.writeUInt8(5 << 4, 12);
  tcp.writeUInt8(spec.flags ?? ACK, 13);
  const ip = Buffer.alloc(20);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(40 + payload.length, 2);
  ip.writeUInt8(6, 9);
  Buffer.from(spec.from[0].split('.').map(Number)).copy(ip, 12);
  Buffer.from(spec.to[0].split('.').map(Number)).copy(ip, 16);
  const ethernet = Buffer.alloc(14);
  ethernet.writeUInt16BE(0x0800, 12);
  return Buffer.concat([ethernet, ip, tcp, payload, Buffer.alloc(spec.padding ?? 0)]);
}

function buildRecord(type: number, bytes: number): Buffer {
  const record = Buffer.alloc(5 + bytes, 0xa5);
  record.set([type, 3, 3, bytes >> 8, bytes & 0xff]);
  return record;
}

const client = ['10.244.1.10', 40_000] as const;
const server = ['10.244.2.20', 8080] as const;
const tunnel = ['10.244.2.20', 15_008] as const;

describe('frames', () => {
  test('TCP over IPv4, without the padding', () => {
    const segment = decodeTcpFrame(buildFrame({ from: client, to: server, payload: 'hi', padding: 4 }));
    expect(segment).toMatchObject({
      source: { address: '10.244.1.10', port: 40_000 },
      destination: { address: '10.244.2.20', port: 8080 },
      syn: false,
    });
    expect(Buffer.from(segment?.payload ?? []).toString()).toBe('hi');
  });

  test('TCP over IPv6', () => {
    const ethernet = Buffer.alloc(14);
    ethernet.writeUInt16BE(0x86dd, 12);
    const ip = Buffer.alloc(40);
    ip.writeUInt16BE(21, 4);
    ip.writeUInt8(6, 6);
    Buffer.from('fd000010024400010000000000000010', 'hex').copy(ip, 8);
    Buffer.from('fd000010024400020000000000000020', 'hex').copy(ip, 24);
    const tcp = buildFrame({ from: client, to: server, payload: 'x' }).subarray(34);
    const segment = decodeTcpFrame(Buffer.concat([ethernet, ip, tcp]));
    expect(segment && renderEndpoint(segment.source)).toBe('[fd00:10:244:1::10]:40000');
    expect(segment?.payload).toHaveLength(1);
  });

  test('anything else is undefined, and nothing throws', () => {
    const arp = Buffer.alloc(42);
    arp.writeUInt16BE(0x0806, 12);
    expect(decodeTcpFrame(arp)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, ipv4) => {
        if (bytes.length > 14) bytes.set(ipv4 ? [0x08, 0x00] : [0x86, 0xdd], 12);
        decodeTcpFrame(bytes);
      }),
    );
  });

  test('every cut of a frame is read or refused', () => {
    const frame = buildFrame({ from: client, to: server, payload: 'hello' });
    const read = Array.from(frame, (_, length) => decodeTcpFrame(frame.subarray(0, length)));
    // Whole headers of all three layers are the least that can be read.
    expect(read.findIndex((segment) => segment !== undefined)).toBe(14 + 20 + 20);
  });
});

describe('TLS', () => {
  test.each([
    { hex: '1603010200', expected: { type: 'handshake', version: '0301', bytes: 512 } },
    { hex: '1703034110', expected: undefined },
    { hex: '1703030017', expected: { type: 'application_data', version: '0303', bytes: 23 } },
    { hex: '1703040017', expected: undefined },
    { hex: '474554202f', expected: undefined },
    { hex: '16030102', expected: undefined },
    { hex: '1703030000', expected: undefined },
  ])('record header $hex', ({ hex, expected }) => {
    expect(decodeTlsRecordHeader(Buffer.from(hex, 'hex'))).toEqual(expected);
  });

  test('a stream is TLS only if all of it is', () => {
    const records = Buffer.concat([buildRecord(22, 100), buildRecord(23, 50)]);
    expect(isTls(records)).toBe(true);
    expect(isTls(records.subarray(0, 120))).toBe(true);
    expect(isTls(Buffer.concat([records, Buffer.from('GET / HTTP/1.1')]))).toBe(false);
    expect(isTls(Buffer.alloc(0))).toBe(false);
  });
});

describe('a wire', () => {
  test('with a request in the clear is readable, however it was split, reordered and repeated', () => {
    const text = 'GET /ip HTTP/1.1\r\nHost: httpbin\r\n\r\n';
    const part = (from: number, to: number): Buffer =>
      buildFrame({ from: client, to: server, sequence: 101 + from, payload: text.slice(from, to) });
    const summary = summarizeWire([
      buildFrame({ from: client, to: server, sequence: 100, flags: SYN }),
      part(10, text.length),
      part(0, 10),
      part(0, 10),
    ]);
    expect(summary.ports).toEqual([{ port: 8080, frames: 3, bytes: text.length, content: 'http' }]);
    expect(summary.readableHttp.map((message) => message.text)).toEqual(['GET /ip HTTP/1.1\r\nHost: httpbin']);
    expect(summary.onlyTunnels).toBe(false);
    expect(containsText(summary.streams, 'Host: httpbin')).toBe(true);
  });

  test('with only TLS to 15008 is only tunnels', () => {
    const summary = summarizeWire([
      buildFrame({ from: client, to: tunnel, sequence: 9, flags: SYN }),
      buildFrame({ from: client, to: tunnel, sequence: 10, payload: buildRecord(22, 80) }),
      buildFrame({ from: tunnel, to: client, sequence: 10, payload: buildRecord(23, 40) }),
    ]);
    expect(summary.onlyTunnels).toBe(true);
    expect(summary.tlsRecords.map(({ type }) => type)).toEqual(['handshake', 'application_data']);
  });

  test.each([
    { name: 'plain bytes to 15008', to: tunnel, payload: 'PRI * HTTP/2.0\r\n\r\n' },
    { name: 'TLS to another port', to: server, payload: buildRecord(22, 80) },
  ])('$name is not only tunnels', ({ to, payload }) => {
    expect(summarizeWire([buildFrame({ from: client, to, payload })]).onlyTunnels).toBe(false);
  });

  test('without data is not only tunnels', () => {
    expect(summarizeWire([buildFrame({ from: client, to: tunnel, flags: SYN })]).onlyTunnels).toBe(false);
  });

  test('sequence numbers may wrap', () => {
    const summary = summarizeWire([
      buildFrame({ from: client, to: server, sequence: 0xffff_fffe, flags: SYN }),
      buildFrame({ from: client, to: server, sequence: 0xffff_ffff, payload: 'GE' }),
      buildFrame({ from: client, to: server, sequence: 1, payload: 'T / HTTP/1.1\r\n' }),
    ]);
    expect(summary.streams[0]?.bytes.toString()).toBe('GET / HTTP/1.1\r\n');
  });
});

test('listening sockets of /proc/net/tcp and tcp6', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue',
    '   0: 0100007F:3ACD 00000000:0000 0A 00000000:00000000 00:00000000',
    '   1: 0A01F40A:9C40 1402F40A:1F90 01 00000000:00000000 00:00000000',
    '  sl  local_address                         remote_address',
    '   0: 00000000000000000000000000000000:3AA0 00000000000000000000000000000000:0000 0A 00000000:00000000',
    '   1: 000080FE00000000000000000A000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000',
  ].join('\n');
  expect(parseListeningSockets(text)).toEqual([
    { address: 'fe80::a', port: 22 },
    { address: '*', port: 15_008 },
    { address: '127.0.0.1', port: 15_053 },
  ]);
});
