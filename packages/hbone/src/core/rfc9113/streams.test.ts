import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import { CONNECT, data, frame, headers, OK, octets, reset, windowUpdate } from '../testing/frames.ts';
import { rst, Subject, serverWithStream, withStream } from '../testing/subject.ts';

const { CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED } = ErrorCode;
const { END_STREAM } = Flag;
const ROLES: readonly Role[] = ['client', 'server'];

describe.each(ROLES)('5.1: idle streams of a %s', (role) => {
  test.each([
    { what: 'DATA', bytes: data(3, '00') },
    { what: 'empty DATA', bytes: data(3, '') },
    { what: 'RST_STREAM', bytes: reset(3, CANCEL) },
    { what: 'WINDOW_UPDATE', bytes: windowUpdate(3, 1) },
    { what: 'WINDOW_UPDATE of 0', bytes: windowUpdate(3, 0) },
    { what: 'CONTINUATION', bytes: frame(FrameType.CONTINUATION, Flag.END_HEADERS, 3) },
    { what: 'DATA on an even stream', bytes: data(2, '00') },
    { what: 'HEADERS on an even stream', bytes: headers(2, CONNECT) },
    { what: 'RST_STREAM on an even stream', bytes: reset(2, CANCEL) },
    { what: 'WINDOW_UPDATE on an even stream', bytes: windowUpdate(2, 1) },
  ])('$what is a connection error', ({ bytes }) => {
    expect(withStream(role).errorOf(bytes)).toBe(PROTOCOL_ERROR);
  });
});

describe.each(ROLES)('5.1: half-closed streams of a %s', (role) => {
  test('the peer ended: it may still give windows and reset', () => {
    const subject = withStream(role);
    subject.push(data(1, '', END_STREAM));
    for (const bytes of [16_384, 16_384, 16_384, 16_383]) subject.sendData(1, bytes);
    expect(subject.push(windowUpdate(1, 5), windowUpdate(0, 5))).toEqual([{ type: 'writable', id: 1 }]);
    expect(subject.push(reset(1, CANCEL))).toEqual([{ type: 'reset', id: 1, code: CANCEL, local: false }]);
    expect(subject.codec.openStreams).toBe(0);
  });

  test('we ended: the peer goes on', () => {
    const subject = withStream(role);
    subject.sendData(1, 0, true);
    expect(() => subject.sendData(1, 0)).toThrow(RangeError);
    expect(subject.codec.budget(1)).toBe(0);
    expect(subject.push(windowUpdate(1, 5), data(1, '61'), data(1, '62', END_STREAM))).toEqual([
      { type: 'data', id: 1, text: 'ab', last: true },
    ]);
    expect(subject.codec.openStreams).toBe(0);
  });
});

/** Ways in which stream 1 ends that are not our reset. */
const ENDS = [
  { end: 'both ended', finish: (subject: Subject) => endBoth(subject) },
  { end: 'the peer reset it', finish: (subject: Subject) => void subject.push(reset(1, CANCEL)) },
];

function endBoth(subject: Subject): void {
  subject.push(data(1, '', END_STREAM));
  subject.sendData(1, 0, true);
}

describe.each(ROLES)('5.1: closed streams of a %s', (role) => {
  test.each(ENDS)('$end: late WINDOW_UPDATE and RST_STREAM are no error', ({ finish }) => {
    const subject = withStream(role);
    finish(subject);
    const late = [windowUpdate(1, 0), windowUpdate(1, 0x7fff_ffff), reset(1, CANCEL), reset(1, CANCEL)];
    expect(subject.push(...late, frame(FrameType.PRIORITY, 0, 1, octets(5)))).toEqual([]);
    expect(subject.sent()).toEqual([]);
  });

  test.each(ENDS)('$end: DATA is a stream error, once', ({ finish }) => {
    const subject = withStream(role);
    finish(subject);
    expect(subject.push(data(1, '00'), data(1, '00'))).toEqual([]);
    expect(subject.sent()).toEqual([rst(1, STREAM_CLOSED)]);
  });

  test('a stream with bytes that nobody took yet', () => {
    const subject = withStream(role);
    subject.push(data(1, '6162', END_STREAM));
    subject.sendData(1, 0, true);
    expect(subject.push(reset(1, CANCEL), windowUpdate(1, 7))).toEqual([]);
    expect(subject.push(data(1, '00'))).toEqual([{ type: 'reset', id: 1, code: STREAM_CLOSED, local: true }]);
  });

  test('our own reset: everything is dropped, and stays so for the last thousand', () => {
    const subject = withStream(role, { maxRecentResets: 1 });
    subject.codec.resetStream(1, CANCEL);
    subject.codec.resetStream(1, CANCEL);
    expect(subject.sent()).toEqual([rst(1, CANCEL)]);
    expect(subject.push(data(1, '00'), headers(1, OK, END_STREAM))).toEqual([]);
    const next = role === 'client' ? subject.open() : 3;
    if (role === 'server') subject.push(headers(3, CONNECT));
    subject.codec.resetStream(next, CANCEL);
    subject.sent();
    expect(subject.push(data(next, '00'))).toEqual([]);
    expect(subject.sent()).toEqual([]);
    subject.push(data(1, '00'));
    expect(subject.sent()).toEqual([rst(1, STREAM_CLOSED)]);
  });
});

describe('5.1: HEADERS on a stream that is closed', () => {
  test.each(ENDS)('from a client, $end: a connection error', ({ finish }) => {
    const subject = withStream('server');
    finish(subject);
    expect(subject.errorOf(headers(1, CONNECT))).toBe(STREAM_CLOSED);
  });

  test.each(ENDS)('from a server, $end: a stream error', ({ finish }) => {
    const subject = withStream('client');
    finish(subject);
    expect(subject.push(headers(1, OK))).toEqual([]);
    expect(subject.sent()).toEqual([rst(1, STREAM_CLOSED)]);
  });
});

describe('5.1.1: identifiers', () => {
  test.each([
    { what: 'smaller than the last', ids: [7, 13], next: 11, code: PROTOCOL_ERROR },
    { what: 'left out at the start', ids: [7], next: 1, code: PROTOCOL_ERROR },
    { what: 'the only one left out', ids: [1, 5], next: 3, code: PROTOCOL_ERROR },
    { what: 'one of many left out', ids: [7, 107, 209], next: 205, code: PROTOCOL_ERROR },
    { what: 'of a refused request', ids: [7, 11], next: 11, code: undefined },
  ])('a request on a stream $what', ({ ids, next, code }) => {
    const subject = new Subject('server', { maxConcurrentStreams: 1 });
    subject.push(...ids.map((id) => headers(id, CONNECT)));
    expect(subject.errorOf(headers(next, CONNECT))).toBe(code);
  });

  test('gaps are remembered up to a limit, and forgotten ones are only called closed', () => {
    const subject = new Subject('server', { maxConcurrentStreams: 100 });
    subject.push(...Array.from({ length: 30 }, (_, index) => headers(3 + 4 * index, CONNECT)));
    expect(subject.errorOf(headers(5, CONNECT))).toBe(STREAM_CLOSED);
  });

  test('a client counts in twos, and stops at the end', () => {
    const subject = new Subject('client');
    expect([1, 2, 3].map(() => subject.codec.request(CONNECT))).toEqual([1, 3, 5]);
  });
});

describe('5.1.2: concurrency', () => {
  test('a server refuses what is too many, until one has ended', () => {
    const subject = new Subject('server', { maxConcurrentStreams: 1 });
    expect(subject.push(headers(1, CONNECT), headers(3, CONNECT))).toHaveLength(1);
    expect(subject.sent()).toEqual([rst(3, REFUSED_STREAM)]);
    expect(subject.push(data(3, '00'), headers(3, [], END_STREAM))).toEqual([]);
    subject.push(reset(1, CANCEL));
    expect(subject.push(headers(5, CONNECT))).toHaveLength(1);
  });

  test('half-closed streams count, and closed ones whose bytes nobody takes do twice over', () => {
    const subject = new Subject('server', { maxConcurrentStreams: 2 });
    const refused: number[] = [];
    for (const id of [1, 3, 5, 7, 9]) {
      subject.push(headers(id, CONNECT), data(id, '61', END_STREAM));
      subject.codec.respond(id, OK, true);
      refused.push(
        ...subject
          .sent()
          .filter(({ type }) => type === FrameType.RST_STREAM)
          .map((sent) => sent.id),
      );
    }
    expect(subject.codec.openStreams).toBe(0);
    expect(refused).toEqual([9]);
    subject.codec.credit(1, 1);
    expect(subject.push(headers(11, CONNECT, END_STREAM))).toHaveLength(1);
  });

  test('a client keeps to the limit of the server, also when it shrinks', () => {
    const subject = new Subject('client');
    subject.push(frame(FrameType.SETTINGS, 0, 0, '000300000002'));
    expect([1, 2, 3].map(() => subject.codec.request(CONNECT))).toEqual([1, 3, 0]);
    subject.push(frame(FrameType.SETTINGS, 0, 0, '000300000000'), headers(1, [[':status', '503']], END_STREAM));
    expect(subject.codec.request(CONNECT)).toBe(0);
    subject.push(frame(FrameType.SETTINGS, 0, 0, '000300000002'));
    expect(subject.codec.request(CONNECT)).toBe(0);
    subject.sendData(1, 0, true);
    expect(subject.codec.request(CONNECT)).toBe(5);
  });
});

describe('6.4: RST_STREAM', () => {
  test.each([NO_ERROR, CANCEL, STREAM_CLOSED, 0xdead_beef])('with code %i is told as it is', (code) => {
    for (const role of ROLES)
      expect(withStream(role).push(reset(1, code))).toEqual([{ type: 'reset', id: 1, code, local: false }]);
  });

  test('a denied request costs nothing: 401 with END_STREAM, then RST_STREAM', () => {
    const subject = new Subject('client', { resets: { burst: 0, perSecond: 0 } });
    for (let count = 0; count < 20; count++) {
      const id = subject.codec.request(CONNECT);
      const events = subject.push(headers(id, [[':status', '401']], END_STREAM), reset(id, NO_ERROR));
      expect(events.map(({ type }) => type)).toEqual(['headers', 'reset']);
    }
  });

  test('a server that resets every request costs a client nothing', () => {
    const subject = new Subject('client', { resets: { burst: 0, perSecond: 0 } });
    for (let count = 0; count < 20; count++) {
      const id = subject.codec.request(CONNECT);
      expect(subject.push(reset(id, REFUSED_STREAM))).toMatchObject([{ type: 'reset', local: false }]);
    }
  });

  test('of a stream that is gone, or never was, is nothing to us', () => {
    const subject = serverWithStream();
    subject.codec.resetStream(7, CANCEL);
    subject.codec.credit(7, 100);
    subject.codec.respond(7, OK, true);
    expect(subject.codec.budget(7)).toBe(0);
    expect(subject.sent()).toEqual([]);
  });
});
