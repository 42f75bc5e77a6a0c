import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../error-code.ts';
import { Flag, FrameType } from '../frame.ts';
import type { Role } from '../limits.ts';
import { CONNECT, data, frame, goaway, headers, OK, octets, reset, settings, windowUpdate } from '../testing/frames.ts';
import { Subject, serverWithStream, withStream } from '../testing/subject.ts';

const { CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM } = ErrorCode;
const { ACK, END_HEADERS, END_STREAM, PADDED } = Flag;
const ROLES: readonly Role[] = ['client', 'server'];
const NEVER = { burst: Number.POSITIVE_INFINITY, perSecond: 0 };

const ping = () => frame(FrameType.PING, 0, 0, octets(8));
const continuation = (bytes = 0, flags = 0) => frame(FrameType.CONTINUATION, flags, 3, octets(bytes));
const block = (bytes: number, flags = 0) => frame(FrameType.HEADERS, flags, 3, octets(bytes));

/** How many of the frames, one at a time, were taken before the connection ended. */
function taken(subject: Subject, next: (index: number) => Uint8Array, most = 30_000): number {
  for (let index = 0; index < most; index++) {
    const code = subject.errorOf(next(index));
    if (code === undefined) continue;
    expect(code).toBe(ENHANCE_YOUR_CALM);
    return index;
  }
  return most;
}

describe('10.5.1: header blocks', () => {
  const LARGEST = 131_072;
  const BESIDE = 1 + 255 + 5;

  test.each([
    { what: 'nine CONTINUATIONs', frames: [block(1), ...Array.from({ length: 9 }, () => continuation(1))] },
    { what: 'nine empty CONTINUATIONs', frames: [block(0), ...Array.from({ length: 9 }, () => continuation())] },
    { what: 'too many octets announced', frames: [block(LARGEST + BESIDE + 1).subarray(0, 9)] },
    { what: 'too many octets', frames: [block(LARGEST + 1, END_HEADERS)] },
    { what: 'too many octets in pieces', frames: [block(LARGEST), continuation(BESIDE, END_HEADERS)] },
    { what: 'too many octets announced in pieces', frames: [block(LARGEST), continuation(BESIDE + 1).subarray(0, 9)] },
  ])('$what', ({ frames }) => {
    expect(new Subject('server').errorOf(...frames)).toBe(ENHANCE_YOUR_CALM);
  });

  test('a client takes a quarter of it', () => {
    expect(new Subject('client').errorOf(block(32_769, END_HEADERS))).toBe(ENHANCE_YOUR_CALM);
  });

  test('eight CONTINUATIONs carry the largest block in frames of the least size', () => {
    const pieces = Array.from({ length: 8 }, (_, index) => continuation(index === 7 ? 0 : 16_384));
    expect(new Subject('server').errorOf(block(16_384), ...pieces)).toBeUndefined();
  });

  test('options', () => {
    const subject = new Subject('server', { maxContinuations: 1, maxHeaderBlockBytes: 100 });
    expect(subject.errorOf(block(1), continuation(), continuation())).toBe(ENHANCE_YOUR_CALM);
    expect(new Subject('server', { maxHeaderBlockBytes: 100 }).errorOf(block(101, END_HEADERS))).toBe(
      ENHANCE_YOUR_CALM,
    );
  });
});

test('lists over the limit cost their decoding', () => {
  const subject = new Subject('server', { maxHeaderListBytes: 1000, uselessFrames: { burst: 20, perSecond: 0 } });
  // Four times 256 octets each.
  expect(taken(subject, (index) => headers(2 * index + 1, [...CONNECT, ['a', 'b'.repeat(1200)]]))).toBe(5);
});

describe.each(ROLES)('what costs a %s answers', (role) => {
  test('settings in a frame', () => {
    expect(withStream(role).errorOf(settings('000900000000'.repeat(64)))).toBeUndefined();
    expect(withStream(role).errorOf(settings('000900000000'.repeat(65)))).toBe(ENHANCE_YOUR_CALM);
    expect(withStream(role, { maxSettingsEntries: 1 }).errorOf(settings('000900000000'.repeat(2)))).toBe(
      ENHANCE_YOUR_CALM,
    );
  });

  test.each([
    { what: 'PING', bytes: ping() },
    { what: 'SETTINGS', bytes: settings() },
  ])('$what: ten thousand at once, a thousand a second', ({ bytes }) => {
    const subject = withStream(role, { maxControlBytes: 1_000_000 });
    // One was the greeting's.
    expect(subject.errorOf(Buffer.concat(Array.from({ length: 9999 }, () => bytes)))).toBeUndefined();
    subject.nowMs = 500;
    expect(taken(subject, () => bytes)).toBe(500);
    expect(taken(withStream(role, { answers: { burst: 3, perSecond: 0 } }), () => bytes)).toBe(2);
  });

  test('answers that nobody reads', () => {
    const pings = taken(withStream(role, { answers: NEVER }), ping);
    expect(pings).toBeGreaterThan(15_000);
    expect(pings).toBeLessThan(16_000);
    expect(taken(withStream(role, { answers: NEVER, maxControlBytes: 170 }), ping)).toBe(10);
  });
});

const USELESS = [
  { what: 'empty DATA', bytes: data(1, '') },
  { what: 'DATA of padding only', bytes: data(1, '0100', PADDED) },
  { what: 'PRIORITY', bytes: frame(FrameType.PRIORITY, 0, 1, octets(5)) },
  { what: 'PRIORITY of idle streams', bytes: frame(FrameType.PRIORITY, 0, 99, octets(5)) },
  { what: 'unknown frames', bytes: frame(0xfa, 0, 0) },
  { what: 'answers to no PING', bytes: frame(FrameType.PING, ACK, 0, octets(8)) },
];

describe.each(ROLES)('what is of no use to a %s', (role) => {
  test.each(USELESS)('$what: a thousand at once, a hundred a second', ({ bytes }) => {
    const subject = withStream(role);
    expect(subject.errorOf(Buffer.concat(Array.from({ length: 1000 }, () => bytes)))).toBeUndefined();
    subject.nowMs = 500;
    expect(taken(subject, () => bytes)).toBe(50);
    expect(taken(withStream(role, { uselessFrames: { burst: 3, perSecond: 0 } }), () => bytes)).toBe(3);
  });

  test('GOAWAY again', () => {
    const subject = withStream(role, { uselessFrames: { burst: 3, perSecond: 0 } });
    expect(taken(subject, () => goaway(1, 0))).toBe(4);
  });

  test.each([{ what: 'RST_STREAM', bytes: reset(1, CANCEL) }])(
    '$what on a stream that is gone: four each, and then useless',
    ({ bytes }) => {
      const subject = withStream(role, { uselessFrames: { burst: 3, perSecond: 0 } });
      subject.codec.resetStream(1, CANCEL);
      expect(taken(subject, () => bytes)).toBe(4 + 3);
    },
  );

  test('WINDOW_UPDATE on a stream that is gone is one like others: for DATA that was still on the way', () => {
    const subject = withStream(role, {
      uselessFrames: { burst: 0, perSecond: 0 },
      windowUpdates: { burst: 3, perSecond: 0 },
    });
    subject.codec.resetStream(1, CANCEL);
    expect(taken(subject, () => windowUpdate(1, 1))).toBe(2 + 3);
  });

  test('a thousand streams end as streams do, at no cost', () => {
    const subject = new Subject(role, { uselessFrames: { burst: 0, perSecond: 0 } });
    for (let id = 1; id < 2000; id += 2) {
      if (role === 'client') expect(subject.open()).toBe(id);
      else subject.push(headers(id, CONNECT));
      subject.codec.resetStream(id, CANCEL);
      const late = [data(id, '00'), windowUpdate(id, 5), data(id, '', END_STREAM), reset(id, CANCEL)];
      expect(subject.push(...late)).toEqual([]);
    }
  });
});

describe('requests after our GOAWAY', () => {
  test('are ignored, but not for ever', () => {
    const subject = new Subject('server', { uselessFrames: { burst: 3, perSecond: 0 }, maxConcurrentStreams: 4 });
    subject.codec.goaway(0, false);
    subject.codec.goaway(0, false);
    // Four may have crossed with it.
    expect(taken(subject, (index) => headers(1 + 2 * index, CONNECT))).toBe(4 * (1 + 4) + 3);
  });

  test.each([false, true])('that cross with it cost nothing, nor do their ends (announced before: %s)', (announced) => {
    const subject = new Subject('server', { uselessFrames: { burst: 0, perSecond: 0 } });
    if (announced) subject.codec.goaway(0, true);
    subject.codec.goaway(0, false);
    for (let id = 1; id < 400; id += 2)
      expect(subject.push(headers(id, CONNECT), data(id, '00'), windowUpdate(id, 5), reset(id, CANCEL))).toEqual([]);
    expect(subject.codec.failed).toBe(false);
  });
});

test('interim responses without end', () => {
  const subject = new Subject('client', { uselessFrames: { burst: 3, perSecond: 0 } });
  const id = subject.codec.request(CONNECT);
  expect(taken(subject, () => headers(id, [[':status', '103']]))).toBe(3);
});

const requestAndReset = (index: number) =>
  Buffer.concat([headers(2 * index + 1, CONNECT), reset(2 * index + 1, CANCEL)]);

describe('CVE-2023-44487: rapid reset', () => {
  test('a thousand requests at once, two hundred a second', () => {
    const subject = new Subject('server');
    let index = 0;
    expect(taken(subject, () => requestAndReset(index++))).toBe(1000);
    const slow = new Subject('server');
    const total = taken(slow, (at) => {
      slow.nowMs = at;
      return requestAndReset(at);
    });
    // A thousand a second are eight hundred too many.
    expect(total).toBe(1250 - 1);
  });

  test('requests that were answered are not counted', () => {
    const subject = new Subject('server', { resets: { burst: 0, perSecond: 0 } });
    for (let id = 1; id < 100; id += 2) {
      subject.push(headers(id, CONNECT));
      subject.codec.respond(id, OK, false);
      expect(subject.push(reset(id, CANCEL))).toHaveLength(1);
    }
    expect(subject.errorOf(headers(101, CONNECT), reset(101, CANCEL))).toBe(ENHANCE_YOUR_CALM);
  });
});

const requests = (from: number, count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, index) => headers(2 * (from + index) + 1, CONNECT)));

test('denied requests: ten thousand at once, ten thousand a second', () => {
  const subject = new Subject('server');
  subject.recorder.headers = (id) => {
    subject.codec.respond(id, [[':status', '401']], true);
    subject.codec.resetStream(id, 0);
  };
  for (let at = 0; at < 10_000; at += 1000) expect(subject.errorOf(requests(at, 1000), ping())).toBeUndefined();
  subject.nowMs = 10;
  expect(subject.errorOf(requests(10_000, 100))).toBeUndefined();
  expect(subject.errorOf(requests(10_100, 1))).toBe(ENHANCE_YOUR_CALM);
});

describe('CVE-2025-8671: resets that the peer makes us send', () => {
  const ONE = { resets: { burst: 1, perSecond: 0 } };

  test.each([
    { how: 'WINDOW_UPDATE of 0', bytes: (id: number) => windowUpdate(id, 0) },
    { how: 'window overflow', bytes: (id: number) => windowUpdate(id, 0x7fff_ffff) },
    { how: 'PRIORITY of a wrong length', bytes: (id: number) => frame(FrameType.PRIORITY, 0, id, octets(4)) },
    { how: 'HEADERS on a tunnel', bytes: (id: number) => headers(id, []) },
    {
      how: 'DATA after the end',
      bytes: (id: number) => Buffer.concat([data(id, '', END_STREAM), data(id, '00')]),
    },
  ])('$how', ({ bytes }) => {
    const server = new Subject('server', ONE);
    expect(taken(server, (index) => Buffer.concat([headers(2 * index + 1, CONNECT), bytes(2 * index + 1)]))).toBe(1);
    const client = new Subject('client', ONE);
    expect(taken(client, () => bytes(client.open()))).toBe(1);
  });

  test.each([
    { how: 'malformed requests', bytes: (id: number) => headers(id, []) },
    { how: 'lists over the limit', bytes: (id: number) => headers(id, [['a', 'b'.repeat(70_000)]]) },
    {
      how: 'lists over the limit that end',
      bytes: (id: number) => headers(id, [['a', 'b'.repeat(70_000)]], END_STREAM),
    },
  ])('$how', ({ bytes }) => {
    expect(taken(new Subject('server', ONE), (index) => bytes(2 * index + 1))).toBe(1);
  });

  test('streams over the limit', () => {
    const subject = new Subject('server', { ...ONE, maxConcurrentStreams: 1 });
    expect(taken(subject, (index) => headers(2 * index + 1, CONNECT))).toBe(2);
    const refused = new Subject('server', { maxConcurrentStreams: 0 });
    refused.push(headers(1, CONNECT));
    expect(refused.sent()).toMatchObject([{ type: FrameType.RST_STREAM, payload: `0000000${REFUSED_STREAM}` }]);
  });

  test('streams that our user refuses', () => {
    const subject = new Subject('server', ONE);
    const codes: unknown[] = [];
    subject.recorder.headers = (id) => subject.codec.resetStream(id, REFUSED_STREAM);
    subject.recorder.fatal = (code) => codes.push(code);
    subject.push(headers(1, CONNECT), headers(3, CONNECT), headers(5, CONNECT));
    expect(codes).toEqual([ENHANCE_YOUR_CALM]);
  });

  test('malformed responses', () => {
    const subject = new Subject('client', ONE);
    expect(taken(subject, () => headers(subject.codec.request(CONNECT), []))).toBe(1);
  });
});

describe.each(ROLES)('WINDOW_UPDATE at a %s', (role) => {
  test.each([
    { where: 'the connection', id: 0 },
    { where: 'a stream', id: 1 },
  ])('for $where: a thousand, and what our DATA earned', ({ id }) => {
    const next = () => windowUpdate(id, 1);
    const opened = 2;
    expect(taken(withStream(role), next)).toBe(1000 + opened);
    const sender = withStream(role, { windowUpdates: { burst: 3, perSecond: 0 } });
    sender.sendData(1, 16_384);
    sender.sendData(1, 1);
    expect(taken(sender, next)).toBe(3 + opened + 10 + 16 + 2);
  });

  test('a hundred a second besides', () => {
    const subject = withStream(role, { windowUpdates: { burst: 100, perSecond: 100 } });
    const total = taken(
      subject,
      (index) => {
        subject.nowMs = 20 * index;
        return windowUpdate(0, 1);
      },
      2000,
    );
    expect(total).toBe(2000);
  });
});

describe.each(ROLES)('CVE-2019-9511: windows that open octet by octet at a %s', (role) => {
  const STREAMS = 50;
  const INITIAL_WINDOW = '0004';
  const window = (bytes: number) => settings(`${INITIAL_WINDOW}${bytes.toString(16).padStart(8, '0')}`);
  const ids = Array.from({ length: STREAMS }, (_, index) => 2 * index + 1);

  /** Streams with more to send than their windows take, and how often one was told to send. */
  function starve(): { readonly subject: Subject; readonly told: number[] } {
    const subject = new Subject(role);
    subject.push(window(0), windowUpdate(0, 1_000_000));
    for (const id of ids) {
      if (role === 'client') subject.open();
      else {
        subject.push(headers(id, CONNECT));
        subject.codec.respond(id, OK, false);
      }
      expect(subject.codec.budget(id)).toBe(0);
    }
    const told: number[] = [];
    subject.recorder.writable = (id) => {
      told.push(id);
      subject.sendData(id, subject.codec.budget(id));
    };
    return { subject, told };
  }

  test('by SETTINGS: what arrives together makes one frame a stream, and the next ones cost a token a stream', () => {
    const { subject, told } = starve();
    expect(subject.errorOf(...Array.from({ length: 100 }, (_, index) => window(index + 1)))).toBeUndefined();
    expect(told).toEqual(ids);
    let next = 101;
    const left = taken(subject, () => window(next++));
    expect((100 + left) * (STREAMS + 1)).toBeGreaterThan(9900);
    expect((100 + left) * (STREAMS + 1)).toBeLessThan(10_000);
    expect(told.length).toBeLessThan(10_000);
  });

  test('by WINDOW_UPDATE: what arrives together makes one frame a stream', () => {
    const { subject, told } = starve();
    const updates = Array.from({ length: 1000 }, (_, index) => windowUpdate(ids[index % STREAMS]!, 1));
    expect(subject.errorOf(...updates)).toBeUndefined();
    expect(told).toEqual(ids);
    // Far fewer than were needed were earned: 1000 at once, and two an octet or ten a frame.
    let round = 0;
    expect(taken(subject, () => (round++, Buffer.concat(updates)))).toBeLessThan(10);
    expect(told.length).toBe(ids.length * round);
  });

  test('the window of the connection does not look at streams whose own is shut', () => {
    const { subject, told } = starve();
    for (let count = 0; count < 500; count++) subject.push(windowUpdate(0, 1));
    expect(told).toEqual([]);
    expect(subject.codec.wakeWaiting).toBe(false);
  });
});

test('within the limits no frame reads the clock', () => {
  let reads = 0;
  const now = () => {
    reads += 1;
    return 0;
  };
  const subject = withStream('server', { now });
  const before = reads;
  for (let count = 0; count < 900; count++) {
    subject.push(data(1, '61'), data(1, ''), ping(), windowUpdate(1, 1));
    subject.codec.credit(1, 1);
    subject.sendData(1, 1);
    subject.sent();
  }
  expect(reads).toBe(before);
});

describe('our own side', () => {
  test('no request is queued behind more than half of what may wait', () => {
    const subject = new Subject('client', { maxControlBytes: 400 });
    const ids = Array.from({ length: 20 }, () => subject.codec.request(CONNECT));
    expect(ids.filter((id) => id > 0).length).toBeLessThan(20);
    expect(ids.at(-1)).toBe(0);
    subject.sent();
    expect(subject.codec.request(CONNECT)).toBeGreaterThan(0);
    expect(subject.codec.failed).toBe(false);
  });

  test('an error says what a person can act on', () => {
    const messages: string[] = [];
    const subject = serverWithStream();
    subject.recorder.fatal = (_code, message) => {
      messages.push(message);
    };
    subject.push(frame(FrameType.PING, 0, 0, octets(7)));
    expect(messages).toEqual(['PING of 7 octets']);
  });
});
