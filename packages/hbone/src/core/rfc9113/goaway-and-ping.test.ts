import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { Role } from '../limits.ts';
import { CONNECT, data, frame, goaway, headers, octets, reset, uint32, windowUpdate } from '../testing/frames.ts';
import { gone, rst, Subject, serverWithStream, withStream } from '../testing/subject.ts';

const { CANCEL, ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED } = ErrorCode;
const ROLES: readonly Role[] = ['client', 'server'];
const LAST_ID = 0x7fff_ffff;
const answer = (payload: Uint8Array | string) => frame(FrameType.PING, Flag.ACK, 0, payload);

describe('6.8: our GOAWAY', () => {
  test('a server drains: all may still come, then none', () => {
    const subject = serverWithStream();
    subject.codec.goaway(NO_ERROR, true);
    expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
    subject.codec.goaway(NO_ERROR, false);
    expect(subject.sent()).toEqual([gone(LAST_ID, 0), gone(3, 0)]);
    expect(subject.push(headers(5, CONNECT), data(5, '00'), windowUpdate(5, 0), reset(5, 8))).toEqual([]);
    expect(subject.push(data(1, '61'))).toHaveLength(1);
    expect(subject.sent()).toEqual([]);
  });

  test('what is ignored after it keeps the header table in step, and the window whole', () => {
    const encoder = new HpackEncoder(false);
    const request = (id: number, value: string) =>
      frame(FrameType.HEADERS, Flag.END_HEADERS, id, Buffer.from(encoder.encode([...CONNECT, ['baggage', value]])));
    const subject = new Subject('server', { connectionWindowBytes: 65_536 });
    subject.push(request(1, 'a'));
    subject.codec.goaway(NO_ERROR, false);
    subject.sent();
    for (let count = 0; count < 10; count++) {
      expect(subject.push(request(3 + 2 * count, 'b'), data(3 + 2 * count, octets(60_000)))).toEqual([]);
      expect(subject.sent().filter(({ type }) => type === FrameType.WINDOW_UPDATE)).not.toEqual([]);
    }
    expect(subject.codec.failed).toBe(false);
    expect(subject.errorOf(request(2, 'b'))).toBe(PROTOCOL_ERROR);
  });

  test('its last id never grows, and an error repeats the least', () => {
    const subject = serverWithStream();
    subject.codec.goaway(NO_ERROR, false);
    subject.codec.goaway(NO_ERROR, true);
    expect(subject.sent()).toEqual([gone(1, 0), gone(1, 0)]);
    subject.push(headers(3, CONNECT));
    expect(subject.push(data(0, ''))).toEqual([{ type: 'fatal', code: PROTOCOL_ERROR }]);
    subject.codec.goaway(NO_ERROR, false);
    expect(subject.sent()).toEqual([gone(1, PROTOCOL_ERROR)]);
  });

  test('a client that said it opens nothing more, and goes on with what is open', () => {
    const subject = withStream('client');
    subject.codec.goaway(NO_ERROR, false);
    expect(subject.sent()).toEqual([gone(0, 0)]);
    expect(subject.codec.request(CONNECT)).toBe(0);
    expect(subject.push(data(1, '61'))).toHaveLength(1);
    expect(subject.codec.budget(1)).toBe(65_535);
  });
});

describe('6.8: the GOAWAY of a server', () => {
  test('says which streams were not processed', () => {
    const subject = new Subject('client');
    const ids = [subject.open(), subject.open(), subject.open()];
    expect(subject.push(goaway(LAST_ID, 0), goaway(1, 0))).toEqual([
      { type: 'goaway', last: LAST_ID, code: 0 },
      { type: 'goaway', last: 1, code: 0 },
      { type: 'reset', id: ids[1], code: REFUSED_STREAM, local: false },
      { type: 'reset', id: ids[2], code: REFUSED_STREAM, local: false },
    ]);
    expect(subject.codec.request(CONNECT)).toBe(0);
    expect(subject.push(data(1, '61'))).toHaveLength(1);
    expect(subject.codec.openStreams).toBe(1);
  });

  test('with an error, too, leaves what it processed open until the connection ends', () => {
    const subject = withStream('client');
    expect(subject.push(goaway(1, ENHANCE_YOUR_CALM))).toEqual([{ type: 'goaway', last: 1, code: ENHANCE_YOUR_CALM }]);
    expect(subject.push(data(1, '61', Flag.END_STREAM))).toHaveLength(1);
  });

  test('may have a code that nobody knows. 7', () => {
    expect(withStream('client').push(goaway(1, 0xff))).toEqual([{ type: 'goaway', last: 1, code: 0xff }]);
  });

  test('before any stream, and after the last', () => {
    expect(new Subject('client').push(goaway(0, 0))).toEqual([{ type: 'goaway', last: 0, code: 0 }]);
    const subject = withStream('client');
    subject.codec.resetStream(1, CANCEL);
    expect(subject.push(goaway(1, 0))).toEqual([{ type: 'goaway', last: 1, code: 0 }]);
  });

  test('frees the window of streams that it disowns', () => {
    const subject = withStream('client', { connectionWindowBytes: 65_536 });
    subject.push(data(1, octets(20_000)));
    subject.push(goaway(0, 0));
    expect(subject.sent()).toMatchObject([{ type: FrameType.WINDOW_UPDATE, id: 0, payload: uint32(20_000) }]);
    subject.push(data(1, '00'));
    expect(subject.sent()).toEqual([rst(1, STREAM_CLOSED)]);
  });
});

describe.each(ROLES)('6.8: GOAWAY at a %s', (role) => {
  test('its last id must not grow', () => {
    const subject = withStream(role);
    expect(subject.errorOf(goaway(LAST_ID, 0), goaway(1, 0), goaway(1, 0), goaway(3, 0))).toBe(PROTOCOL_ERROR);
  });

  test('debug data may be as long as a frame, and comes in any pieces', () => {
    const subject = withStream(role);
    const bytes = frame(
      FrameType.GOAWAY,
      0,
      0,
      Buffer.concat([Buffer.from('8000000100000007', 'hex'), octets(900_000)]),
    );
    expect(subject.push(bytes.subarray(0, 12))).toEqual([]);
    expect(subject.push(bytes.subarray(12, 20))).toEqual([{ type: 'goaway', last: 1, code: 7 }]);
    expect(subject.push(bytes.subarray(20), data(1, '61'))).toEqual([{ type: 'data', id: 1, text: 'a', last: false }]);
  });

  test('a peer that leaves may still ask and be answered', () => {
    const subject = withStream(role);
    subject.push(goaway(1, 0), frame(FrameType.PING, 0, 0, octets(8)));
    expect(subject.sent().map(({ type }) => type)).toEqual([FrameType.PING]);
    if (role === 'server') expect(subject.push(headers(3, CONNECT))).toHaveLength(1);
  });
});

describe.each(ROLES)('6.7: PING at a %s', (role) => {
  test('is answered before everything else', () => {
    const subject = withStream(role);
    subject.codec.resetStream(1, CANCEL);
    subject.push(frame(FrameType.PING, 0, 0, '0102030405060708'));
    expect(subject.sent()).toEqual([
      { type: FrameType.PING, flags: Flag.ACK, id: 0, payload: '0102030405060708' },
      rst(1, CANCEL),
    ]);
  });

  test('only answers to our own count, once, and numbers grow', () => {
    const subject = withStream(role);
    expect(subject.push(answer(octets(8)))).toEqual([]);
    expect(subject.codec.ping()).toBe(1);
    expect(subject.codec.ping()).toBe(2);
    const [first, second] = subject.sent();
    expect(subject.push(answer('0000000100000001'), answer('0000000000000003'))).toEqual([]);
    expect(subject.push(answer(first!.payload))).toEqual([{ type: 'pong', number: 1 }]);
    expect(subject.push(answer(first!.payload), answer(second!.payload))).toEqual([{ type: 'pong', number: 2 }]);
  });

  test('after an error there is none', () => {
    const subject = withStream(role);
    subject.push(data(0, ''));
    subject.sent();
    expect(subject.codec.ping()).toBe(0);
    expect(subject.codec.controlWaiting).toBe(false);
  });
});
