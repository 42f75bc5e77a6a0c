import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import { CONNECT, data, frame, goaway, headers, OK, octets, reset, settings, windowUpdate } from '../testing/frames.ts';
import { rst, withStream } from '../testing/subject.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, STREAM_CLOSED } = ErrorCode;
const { END_HEADERS, END_STREAM, PADDED, PRIORITY } = Flag;
/** hbone.md §2 */
const MAX_FRAME_BYTES = 1_048_576;
const ROLES: readonly Role[] = ['client', 'server'];

interface Row {
  readonly rule: string;
  readonly frames: readonly Uint8Array[];
  readonly code: number;
}

/** Stream 1 is open; the next one that a client may open is 3. */
const CONNECTION_ERRORS: readonly Row[] = [
  {
    rule: '4.2: DATA larger than MAX_FRAME_SIZE',
    frames: [data(1, octets(MAX_FRAME_BYTES + 1))],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '4.2: HEADERS larger than MAX_FRAME_SIZE',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, octets(MAX_FRAME_BYTES + 1))],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '4.2: an unknown frame larger than MAX_FRAME_SIZE',
    frames: [frame(0x77, 0, 0, octets(MAX_FRAME_BYTES + 1))],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '4.3: a block with index 0',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 1, '80')],
    code: COMPRESSION_ERROR,
  },
  {
    rule: '4.3: a block that ends inside of a field',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 1, '0001')],
    code: COMPRESSION_ERROR,
  },
  {
    rule: '4.3: a block that asks for a larger table than allowed',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 1, '3fe21f')],
    code: COMPRESSION_ERROR,
  },
  {
    rule: '4.3: a block of a stream that nobody wants',
    frames: [reset(1, ErrorCode.CANCEL), frame(FrameType.HEADERS, END_HEADERS, 1, '80')],
    code: COMPRESSION_ERROR,
  },
  { rule: '6.1: DATA on stream 0', frames: [data(0, '')], code: PROTOCOL_ERROR },
  { rule: '6.1: DATA without its pad length', frames: [data(1, '', PADDED)], code: FRAME_SIZE_ERROR },
  { rule: '6.1: padding as long as DATA', frames: [data(1, '0200', PADDED)], code: PROTOCOL_ERROR },
  { rule: '6.1: padding longer than DATA', frames: [data(1, 'ff00', PADDED)], code: PROTOCOL_ERROR },
  {
    rule: '6.1: padding as long as DATA of a closed stream',
    frames: [reset(1, 8), data(1, '0200', PADDED)],
    code: PROTOCOL_ERROR,
  },
  { rule: '6.2: HEADERS on stream 0', frames: [headers(0, CONNECT)], code: PROTOCOL_ERROR },
  {
    rule: '6.2: HEADERS without its pad length',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PADDED, 1)],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '6.2: HEADERS without all of its priority',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PRIORITY, 1, octets(4))],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '6.2: HEADERS whose priority is where its padding should be',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PRIORITY | PADDED, 1, '010000000000')],
    code: PROTOCOL_ERROR,
  },
  {
    rule: '6.2: padding longer than HEADERS',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PADDED, 1, '0288')],
    code: PROTOCOL_ERROR,
  },
  { rule: '6.3: PRIORITY on stream 0', frames: [frame(FrameType.PRIORITY, 0, 0, octets(5))], code: PROTOCOL_ERROR },
  {
    rule: '6.3: PRIORITY of 4 octets on an idle stream',
    frames: [frame(FrameType.PRIORITY, 0, 3, octets(4))],
    code: FRAME_SIZE_ERROR,
  },
  { rule: '6.4: RST_STREAM on stream 0', frames: [reset(0, 8)], code: PROTOCOL_ERROR },
  ...[0, 3, 5].map((length) => ({
    rule: `6.4: RST_STREAM of ${length} octets`,
    frames: [frame(FrameType.RST_STREAM, 0, 1, octets(length))],
    code: FRAME_SIZE_ERROR,
  })),
  { rule: '6.5: SETTINGS on a stream', frames: [frame(FrameType.SETTINGS, 0, 1)], code: PROTOCOL_ERROR },
  ...[1, 5, 7].map((length) => ({
    rule: `6.5: SETTINGS of ${length} octets`,
    frames: [frame(FrameType.SETTINGS, 0, 0, octets(length))],
    code: FRAME_SIZE_ERROR,
  })),
  {
    rule: '6.5: SETTINGS ACK of 6 octets',
    frames: [frame(FrameType.SETTINGS, Flag.ACK, 0, octets(6))],
    code: FRAME_SIZE_ERROR,
  },
  {
    rule: '6.6: PUSH_PROMISE',
    frames: [frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, '0000000282')],
    code: PROTOCOL_ERROR,
  },
  { rule: '6.7: PING on a stream', frames: [frame(FrameType.PING, 0, 1, octets(8))], code: PROTOCOL_ERROR },
  ...[0, 6, 7, 9].map((length) => ({
    rule: `6.7: PING of ${length} octets`,
    frames: [frame(FrameType.PING, 0, 0, octets(length))],
    code: FRAME_SIZE_ERROR,
  })),
  { rule: '6.7: PING ACK of 7 octets', frames: [frame(FrameType.PING, 1, 0, octets(7))], code: FRAME_SIZE_ERROR },
  { rule: '6.8: GOAWAY on a stream', frames: [frame(FrameType.GOAWAY, 0, 1, octets(8))], code: PROTOCOL_ERROR },
  ...[0, 7].map((length) => ({
    rule: `6.8: GOAWAY of ${length} octets`,
    frames: [frame(FrameType.GOAWAY, 0, 0, octets(length))],
    code: FRAME_SIZE_ERROR,
  })),
  ...[0, 3, 5].flatMap((length) =>
    [0, 1].map((id) => ({
      rule: `6.9: WINDOW_UPDATE of ${length} octets on stream ${id}`,
      frames: [frame(FrameType.WINDOW_UPDATE, 0, id, octets(length))],
      code: FRAME_SIZE_ERROR,
    })),
  ),
  {
    rule: '6.10: CONTINUATION without HEADERS',
    frames: [frame(FrameType.CONTINUATION, END_HEADERS, 1, '88')],
    code: PROTOCOL_ERROR,
  },
  {
    rule: '6.10: CONTINUATION on stream 0',
    frames: [frame(FrameType.CONTINUATION, END_HEADERS, 0, '88')],
    code: PROTOCOL_ERROR,
  },
  {
    rule: '6.10: CONTINUATION after END_HEADERS',
    frames: [headers(1, [], END_STREAM), frame(FrameType.CONTINUATION, END_HEADERS, 1)],
    code: PROTOCOL_ERROR,
  },
  {
    rule: '6.10: CONTINUATION after the end of its block',
    frames: [
      frame(FrameType.HEADERS, END_STREAM, 1),
      frame(FrameType.CONTINUATION, END_HEADERS, 1),
      frame(FrameType.CONTINUATION, END_HEADERS, 1),
    ],
    code: PROTOCOL_ERROR,
  },
  ...[
    { what: 'SETTINGS', other: settings() },
    { what: 'PING', other: frame(FrameType.PING, 0, 0, octets(8)) },
    { what: 'DATA', other: data(1, '00') },
    { what: 'HEADERS of the same stream', other: headers(1, [], END_STREAM) },
    { what: 'PRIORITY', other: frame(FrameType.PRIORITY, 0, 1, octets(5)) },
    { what: 'RST_STREAM', other: reset(1, 8) },
    { what: 'WINDOW_UPDATE', other: windowUpdate(1, 1) },
    { what: 'GOAWAY', other: goaway(0, 0) },
    { what: 'an unknown frame (5.5)', other: frame(0xfa, 0, 1, octets(3)) },
    { what: 'CONTINUATION of another stream', other: frame(FrameType.CONTINUATION, END_HEADERS, 3) },
  ].map(({ what, other }) => ({
    rule: `6.2: ${what} inside of a header block`,
    frames: [frame(FrameType.HEADERS, END_STREAM, 1), other],
    code: PROTOCOL_ERROR,
  })),
];

describe.each(ROLES)('connection errors at a %s', (role) => {
  test.each(CONNECTION_ERRORS)('$rule', ({ frames, code }) => {
    const subject = withStream(role);
    expect(subject.errorOf(...frames)).toBe(code);
    expect(subject.codec.budget(1)).toBe(0);
    expect(subject.codec.openStreams).toBe(0);
    if (role === 'client') expect(subject.codec.request(CONNECT)).toBe(0);
  });
});

const STREAM_ERRORS: readonly Row[] = [
  { rule: '5.1: DATA after END_STREAM', frames: [data(1, '', END_STREAM), data(1, '00')], code: STREAM_CLOSED },
  {
    rule: '5.1: empty DATA after END_STREAM',
    frames: [data(1, '', END_STREAM), data(1, '', END_STREAM)],
    code: STREAM_CLOSED,
  },
  {
    rule: '5.1: HEADERS after END_STREAM',
    frames: [data(1, '', END_STREAM), headers(1, [], END_STREAM)],
    code: STREAM_CLOSED,
  },
  { rule: '6.3: PRIORITY of 4 octets', frames: [frame(FrameType.PRIORITY, 0, 1, octets(4))], code: FRAME_SIZE_ERROR },
  { rule: '6.3: PRIORITY of 6 octets', frames: [frame(FrameType.PRIORITY, 0, 1, octets(6))], code: FRAME_SIZE_ERROR },
  { rule: '6.9: WINDOW_UPDATE of 0', frames: [windowUpdate(1, 0)], code: PROTOCOL_ERROR },
  { rule: '8.5: HEADERS on a tunnel', frames: [headers(1, [['a', 'b']])], code: PROTOCOL_ERROR },
  { rule: '8.5: trailers on a tunnel', frames: [headers(1, [['a', 'b']], END_STREAM)], code: PROTOCOL_ERROR },
];

describe.each(ROLES)('stream errors at a %s', (role) => {
  test.each(STREAM_ERRORS)('$rule', ({ frames, code }) => {
    const subject = withStream(role);
    expect(subject.push(...frames).at(-1)).toEqual({ type: 'reset', id: 1, code, local: true });
    expect(subject.sent()).toEqual([rst(1, code)]);
    expect(subject.codec.openStreams).toBe(0);
    // 5.1: what crosses with our reset is dropped in silence
    const late = [data(1, '00'), windowUpdate(1, 0), reset(1, 8), headers(1, [], END_STREAM)];
    expect(subject.push(...late, frame(FrameType.PRIORITY, 0, 1, octets(4)))).toEqual([]);
    expect(subject.sent()).toEqual([]);
    // 5.4.2: and the connection goes on
    if (role === 'server') expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
    else expect(subject.open()).toBe(3);
  });
});

describe.each(ROLES)('ignored by a %s', (role) => {
  test.each([
    { rule: '4.1: unknown types', bytes: frame(0xfa, 0xff, 0, octets(50)) },
    { rule: '4.1: unknown types on idle streams', bytes: frame(0x0a, 0, 9, octets(50)) },
    { rule: '4.1: flags that a type does not have', bytes: frame(FrameType.WINDOW_UPDATE, 0xff, 0, '00000001') },
    { rule: '4.1: the reserved bit of a stream id', bytes: frame(FrameType.PRIORITY, 0, 0x8000_0001, octets(5)) },
    { rule: '5.3.2: PRIORITY, also of an idle stream', bytes: frame(FrameType.PRIORITY, 0, 9, octets(5)) },
    { rule: '5.3.2: PRIORITY that depends on itself', bytes: frame(FrameType.PRIORITY, 0, 1, '0000000100') },
    { rule: '5.3.2: PRIORITY of an even stream', bytes: frame(FrameType.PRIORITY, 0, 2, octets(5)) },
    { rule: '6.5.2: unknown settings', bytes: settings('00ff00000001') },
    { rule: '6.9: the reserved bit of an increment', bytes: frame(FrameType.WINDOW_UPDATE, 0, 1, '80000001') },
  ])('$rule', ({ bytes }) => {
    const subject = withStream(role);
    expect(subject.push(bytes).filter(({ type }) => type !== 'settings')).toEqual([]);
    expect(subject.sent().filter(({ type }) => type !== FrameType.SETTINGS)).toEqual([]);
    expect(subject.push(data(1, '61'))).toEqual([{ type: 'data', id: 1, text: 'a', last: false }]);
  });
});

describe('padding', () => {
  test.each(ROLES)('6.1: around DATA, for a %s', (role) => {
    const subject = withStream(role);
    expect(subject.push(data(1, '00', PADDED), data(1, '0361000000', PADDED), data(1, '02620000', PADDED | 1))).toEqual(
      [{ type: 'data', id: 1, text: 'ab', last: true }],
    );
    expect(subject.push(data(1, '0000', PADDED))).toMatchObject([{ type: 'reset', code: STREAM_CLOSED }]);
  });

  test('6.1: only padding may end a stream', () => {
    expect(withStream('server').push(data(1, '0100', PADDED | END_STREAM))).toEqual([
      { type: 'data', id: 1, text: '', last: true },
    ]);
  });

  test('6.2: of nothing but HEADERS, with a priority that depends on itself', () => {
    const subject = withStream('client');
    const id = subject.codec.request(CONNECT);
    const bytes = frame(
      FrameType.HEADERS,
      END_HEADERS | PADDED | PRIORITY,
      id,
      `02000000${id.toString(16).padStart(2, '0')}10880000`,
    );
    expect(subject.push(bytes)).toEqual([{ type: 'headers', id, fields: OK, last: false }]);
  });
});
