import * as zds from '@ambientmesh/zds';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeAck,
  decodeHello,
  decodeRequest,
  encodeAck,
  encodeHello,
  encodeRequest,
  type ZdsRequest,
} from './index.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const info = { name: 'name', namespace: 'ns', serviceAccount: 'sa' };
const read = (text: string, descriptorCount = 0): unknown =>
  decodeRequest({ bytes: bytes(text), descriptorCount, truncated: false });

test('the package is imported by its name', () => {
  expect(Object.keys(zds).toSorted()).toEqual([
    'ZdsClient',
    'ZdsError',
    'ZdsServer',
    'decodeAck',
    'decodeHello',
    'decodeRequest',
    'describeStartFailure',
    'encodeAck',
    'encodeHello',
    'encodeRequest',
    'listenZds',
  ]);
});

test('§2.1: hello and acks', () => {
  expect(hex(encodeHello())).toBe('0801');
  expect(decodeHello(bytes('0801'))).toBe(1);
  expect(hex(encodeAck())).toBe('0a00');
  expect(hex(encodeAck('boom'))).toBe('0a060a04626f6f6d');
  expect(decodeAck(bytes('0a00'))).toBe('');
  expect(decodeAck(bytes('0a060a04626f6f6d'))).toBe('boom');
});

test.each<{ request: ZdsRequest; packet: string; descriptors: number }>([
  {
    request: { type: 'add', uid: 'uid0', info },
    packet: '0a160a0475696430120e0a046e616d6512026e731a027361',
    descriptors: 1,
  },
  { request: { type: 'keep', uid: 'uid0' }, packet: '2a060a0475696430', descriptors: 0 },
  { request: { type: 'delete', uid: 'uid0' }, packet: '1206120475696430', descriptors: 0 },
  { request: { type: 'snapshot-sent' }, packet: '1a00', descriptors: 0 },
])('§2.1: $request.type both ways', ({ request, packet, descriptors }) => {
  expect(hex(encodeRequest(request))).toBe(packet);
  expect(read(packet, descriptors)).toEqual({ request });
});

test.each([
  { packet: '120a0a0475696430', fds: 0, reading: { problem: expect.stringContaining('failed to decode') } },
  // A delete with its uid in field 1: an unknown field, so no uid.
  { packet: '12060a0475696430', fds: 0, reading: { request: { type: 'delete', uid: '' } } },
  // Field 4 of WorkloadInfo was the trust domain; unknown fields are ignored.
  {
    packet: '0a080a01751203220178',
    fds: 1,
    reading: { request: { type: 'add', uid: 'u', info: { name: '', namespace: '', serviceAccount: '' } } },
  },
  { packet: '0a030a0175', fds: 1, reading: { request: { type: 'add', uid: 'u', info: undefined } } },
  { packet: '0a030a0175', fds: 0, reading: { problem: 'No control message' } },
  { packet: '2a030a0175', fds: 1, reading: { problem: 'Unexpected control message' } },
  { packet: '1203120175', fds: 1, reading: { problem: 'Unexpected control message' } },
  { packet: '1a00', fds: 1, reading: { problem: 'Unexpected control message' } },
  { packet: '1a00', fds: 2, reading: { problem: 'Expected 1 FD, got 2' } },
  { packet: '2200', fds: 0, reading: { problem: 'no payload' } },
  { packet: '2200', fds: 1, reading: { problem: 'no payload' } },
])('§4: $packet with $fds descriptors', ({ packet, fds, reading }) => {
  expect(read(packet, fds)).toEqual(reading);
});

test('§4: a cut packet is told from a bad one', () => {
  expect(decodeRequest({ bytes: new Uint8Array(1_024), descriptorCount: 0, truncated: true })).toEqual({
    problem: 'received truncated message',
  });
});

test.each([
  // The text recorded from the reference in zds-errors.
  { packet: '0801ff', problem: 'WorkloadRequest.payload: invalid wire type: Varint (expected LengthDelimited)' },
  { packet: '0a05', problem: 'WorkloadRequest.payload: buffer underflow' },
  {
    packet: '0a020875',
    problem: 'AddWorkload.uid: WorkloadRequest.payload: invalid wire type: Varint (expected LengthDelimited)',
  },
  {
    packet: '0a030a01ff',
    problem: 'AddWorkload.uid: WorkloadRequest.payload: invalid string value: data is not UTF-8 encoded',
  },
  { packet: '0a020a0175', problem: 'WorkloadRequest.payload: delimited length exceeded' },
  { packet: '00', problem: 'invalid tag value: 0' },
  { packet: '07', problem: 'invalid wire type value: 7' },
  { packet: '80', problem: 'invalid varint' },
  { packet: '34', problem: 'unexpected end group tag' },
])('§4: $packet does not decode: $problem', ({ packet, problem }) => {
  expect(read(packet)).toEqual({ problem: `failed to decode Protobuf message: ${problem}` });
});

test('long error texts are cut between characters, below the reader’s buffer', () => {
  const ack = encodeAck('é'.repeat(1_000));
  expect(ack.length).toBeLessThan(1_024);
  expect(decodeAck(ack)).toBe('é'.repeat(450));
});

test.each(['0a05', '', '2200'])('an answer %s that is no ack is refused', (packet) => {
  expect(() => decodeAck(bytes(packet))).toThrow(expect.objectContaining({ code: 'ZDS_MALFORMED' }));
});

test('a hello that does not decode is refused', () => {
  expect(() => decodeHello(bytes('08'))).toThrow(expect.objectContaining({ code: 'ZDS_MALFORMED' }));
  expect(decodeHello(bytes('080210051a00'))).toBe(2);
});

test('property: every request survives the wire', () => {
  const text = fc.string({ unit: 'grapheme' });
  const request = fc.oneof<fc.Arbitrary<ZdsRequest>[]>(
    fc.record({
      type: fc.constant('add' as const),
      uid: text,
      info: fc.option(fc.record({ name: text, namespace: text, serviceAccount: text }), { nil: undefined }),
    }),
    fc.record({ type: fc.constant('keep' as const), uid: text }),
    fc.record({ type: fc.constant('delete' as const), uid: text }),
    fc.record({ type: fc.constant('snapshot-sent' as const) }),
  );
  fc.assert(
    fc.property(request, (each) => {
      const packet = { bytes: encodeRequest(each), descriptorCount: each.type === 'add' ? 1 : 0, truncated: false };
      expect(decodeRequest(packet)).toEqual({ request: each });
    }),
  );
});

test('property: random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_024 }), fc.nat(2), (random, descriptorCount) => {
      const reading = decodeRequest({ bytes: random, descriptorCount, truncated: false });
      expect('problem' in reading || 'request' in reading).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
