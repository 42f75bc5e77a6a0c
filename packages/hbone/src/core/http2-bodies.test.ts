import { randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { CONNECT, connectStream, dialNode, digest, next, OK, readAll, serveNode } from '../fuzz/node-pair.ts';
import { Random } from '../fuzz/random.ts';
import { ErrorCode } from './error-code.ts';

/** Every shape of window, frame, padding and table that may matter; small ones run dry thousands of times. */
const SHAPES = [
  { name: 'defaults', codec: {}, settings: {}, padding: http2.constants.PADDING_STRATEGY_NONE },
  {
    name: 'small windows of ours, padded',
    codec: { streamWindowBytes: 5000, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 },
    settings: {},
    padding: http2.constants.PADDING_STRATEGY_MAX,
  },
  {
    name: 'small windows of the peer, no table',
    codec: { huffman: true },
    settings: { initialWindowSize: 3000, headerTableSize: 0 },
    padding: http2.constants.PADDING_STRATEGY_MAX,
  },
  {
    name: 'large frames of the peer',
    codec: {},
    settings: { initialWindowSize: 10_000_000, maxFrameSize: 1_000_000 },
    padding: http2.constants.PADDING_STRATEGY_NONE,
  },
] as const;
const BODY_BYTES = 1_500_000;

test.each(SHAPES)('server: echoes to a node client: $name', async ({ codec, settings, padding }) => {
  await using pair = await serveNode({ codec, session: { settings, paddingStrategy: padding } });
  const bodies = Array.from({ length: 3 }, () => randomBytes(BODY_BYTES));
  const echoed = await Promise.all(
    bodies.map(async (body) => {
      const stream = connectStream(pair.session);
      stream.end(body);
      return digest(await readAll(stream));
    }),
  );
  expect(echoed).toEqual(bodies.map(digest));
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  expect(pair.ours.log.filter((line) => line.startsWith('reset') || line.startsWith('fatal'))).toEqual([]);
});

test.each(SHAPES)('client: a node server echoes: $name', async ({ codec, settings, padding }) => {
  await using pair = await dialNode({ codec, server: { settings, paddingStrategy: padding } });
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const bodies = Array.from({ length: 3 }, () => randomBytes(BODY_BYTES));
  const chunks = new Map<number, Buffer[]>();
  let ended = 0;
  pair.ours.onData = (id, bytes, last) => {
    chunks.get(id)?.push(bytes);
    if (last) ended += 1;
  };
  const ids = bodies.map(() => pair.ours.codec.request(CONNECT));
  for (const id of ids) chunks.set(id, []);
  expect(ids).toEqual([1, 3, 5]);
  pair.ours.onHeaders = (id) => pair.ours.send(id, bodies[(id - 1) / 2]!, true);
  pair.ours.flush();
  await pair.ours.until(() => ended === bodies.length);
  expect([...chunks.values()].map(digest)).toEqual(bodies.map(digest));
  expect(pair.ours.codec.openStreams).toBe(0);
});

/** How a stream of a random session goes; both ends know it by the stream's number. */
interface Course {
  readonly sizes: readonly number[];
  readonly ending: 'ends' | 'ends early' | 'client resets' | 'server resets' | 'refused';
}

function randomCourses(random: Random): Course[] {
  return Array.from({ length: 2 + random.below(5) }, () => ({
    sizes: Array.from({ length: random.below(6) }, () => random.pick([0, 1, 9, 100, 5000, 16_384, 40_000])),
    ending: random.pick(['ends', 'ends', 'ends early', 'client resets', 'server resets', 'refused'] as const),
  }));
}

/** Octets that say where they belong. */
function bodyOf(index: number, { sizes }: Course): Buffer {
  const body = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  for (let at = 0; at < body.length; at++) body[at] = (at * 7 + index * 31) & 0xff;
  return body;
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const randomShape = (random: Random) => ({
  codec: { streamWindowBytes: random.pick([2000, 70_000, 4_194_304]), huffman: random.below(2) === 1 },
  settings: { initialWindowSize: random.pick([1000, 65_535]), headerTableSize: random.pick([0, 100, 4096]) },
  paddingStrategy: random.pick([http2.constants.PADDING_STRATEGY_NONE, http2.constants.PADDING_STRATEGY_MAX]),
});

test.each(SEEDS)('server: a random session of a node client (seed %i)', async (seed) => {
  const random = new Random(seed);
  const { codec, settings, paddingStrategy } = randomShape(random);
  await using pair = await serveNode({ codec, session: { settings, paddingStrategy } });
  const courses = randomCourses(random);
  const received = new Map<number, Buffer[]>();
  pair.ours.onHeaders = (id) => {
    const { ending } = courses[(id - 1) / 2]!;
    received.set(id, []);
    pair.ours.codec.respond(id, ending === 'refused' ? [[':status', '401']] : OK, ending === 'refused');
    if (ending === 'ends early') pair.ours.send(id, Buffer.from('bye'), true);
  };
  pair.ours.onData = (id, bytes, last) => {
    const { ending } = courses[(id - 1) / 2]!;
    received.get(id)!.push(Buffer.from(bytes));
    if (ending === 'server resets') pair.ours.codec.resetStream(id, ErrorCode.CONNECT_ERROR);
    if (ending === 'ends') pair.ours.send(id, bytes, last);
  };
  await Promise.all(
    courses.map(async (course, index) => {
      const stream = connectStream(pair.session);
      const closed = next(stream, 'close');
      const response = await next<http2.IncomingHttpHeaders>(stream, 'response');
      expect(response[':status']).toBe(course.ending === 'refused' ? 401 : 200);
      const body = bodyOf(index, course);
      const answer = readAll(stream).catch(() => []);
      if (course.ending === 'client resets') stream.close(ErrorCode.CANCEL);
      else {
        for (let at = 0, part = 0; part < course.sizes.length; at += course.sizes[part++]!)
          stream.write(body.subarray(at, at + course.sizes[part]!));
        stream.end();
      }
      await closed;
      if (course.ending === 'server resets') expect(stream.rstCode).toBe(ErrorCode.CONNECT_ERROR);
      if (course.ending === 'ends') expect(digest(await answer)).toBe(digest(body));
      if (course.ending === 'ends early') expect(Buffer.concat(await answer).toString()).toBe('bye');
    }),
  );
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  for (const [index, course] of courses.entries()) {
    const body = Buffer.concat(received.get(2 * index + 1)!);
    if (course.ending.startsWith('ends')) expect(digest(body)).toBe(digest(bodyOf(index, course)));
  }
  expect(pair.ours.log.filter((line) => line.startsWith('fatal'))).toEqual([]);
});

test.each(SEEDS)('client: a random session with a node server (seed %i)', async (seed) => {
  const random = new Random(seed);
  const { codec, settings, paddingStrategy } = randomShape(random);
  await using pair = await dialNode({ codec, server: { settings, paddingStrategy } });
  const courses = randomCourses(random);
  pair.server.on('stream', (stream) => {
    const { ending } = courses[((stream.id ?? 1) - 1) / 2]!;
    stream.on('error', () => {});
    if (ending === 'server resets') return stream.close(ErrorCode.CONNECT_ERROR);
    stream.respond({ ':status': ending === 'refused' ? 401 : 200 }, { endStream: ending === 'refused' });
    if (ending === 'ends early') stream.end('bye');
    if (ending === 'ends') stream.pipe(stream);
    else stream.resume();
    return undefined;
  });
  const received = new Map<number, Buffer[]>();
  pair.ours.onHeaders = (id, fields, last) => {
    const course = courses[(id - 1) / 2]!;
    expect(fields[0]?.[1]).toBe(course.ending === 'refused' ? '401' : '200');
    expect(last).toBe(course.ending === 'refused');
    if (course.ending === 'client resets') pair.ours.codec.resetStream(id, ErrorCode.CANCEL);
    else pair.ours.send(id, bodyOf((id - 1) / 2, course), true);
  };
  pair.ours.onData = (id, bytes) => received.get(id)!.push(Buffer.from(bytes));
  for (const [index] of courses.entries()) {
    const id = pair.ours.codec.request(CONNECT);
    expect(id).toBe(2 * index + 1);
    received.set(id, []);
  }
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.codec.openStreams === 0);
  for (const [index, course] of courses.entries()) {
    const answer = Buffer.concat(received.get(2 * index + 1)!);
    if (course.ending === 'ends') expect(digest(answer)).toBe(digest(bodyOf(index, course)));
    if (course.ending === 'ends early') expect(answer.toString()).toBe('bye');
  }
  const resets = pair.ours.log.filter((line) => line === `reset ${ErrorCode.CONNECT_ERROR} false`);
  expect(resets.length).toBe(courses.filter(({ ending }) => ending === 'server resets').length);
  expect(pair.ours.log.filter((line) => line.startsWith('fatal'))).toEqual([]);
});
