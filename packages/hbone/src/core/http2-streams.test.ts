import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type http2 from 'node:http2';
import { expect, test } from 'vitest';
import { CONNECT, connectStream, dialNode, digest, next, OK, readAll, serveNode } from '../fuzz/node-pair.ts';
import { ErrorCode } from './error-code.ts';

test('server: half-close both ways', async () => {
  await using pair = await serveNode();
  pair.ours.onData = () => {};
  const stream = connectStream(pair.session);
  await once(stream, 'response');
  // The server ends first; the client's direction goes on.
  pair.ours.send(1, Buffer.from('bye'), true);
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('bye')));
  let received = '';
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.toString();
    ended ||= last;
  };
  stream.write('still ');
  stream.end('here');
  await pair.ours.until(() => ended);
  expect(received).toBe('still here');
});

test('server: a GET is well formed, gets its 400 and the connection goes on', async () => {
  await using pair = await serveNode();
  pair.ours.onHeaders = (id, fields, last) => {
    const connect = fields.some(([name, value]) => name === ':method' && value === 'CONNECT');
    pair.ours.codec.respond(id, connect ? OK : [[':status', '400']], !connect);
    if (!connect && !last) pair.ours.codec.resetStream(id, ErrorCode.NO_ERROR);
  };
  const get = pair.session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
  const headers = await next<http2.IncomingHttpHeaders>(get, 'response');
  expect(headers[':status']).toBe(400);
  get.resume();
  await next(get, 'close');
  expect(get.rstCode).toBe(ErrorCode.NO_ERROR);
  const response = await next<http2.IncomingHttpHeaders>(connectStream(pair.session), 'response');
  expect(response[':status']).toBe(200);
});

test('server: resets in both directions keep their codes', async () => {
  await using pair = await serveNode();
  // Node ends the stream before it resets it: not answered, or it would be closed by then.
  pair.ours.onData = () => {};
  const first = connectStream(pair.session);
  await once(first, 'response');
  first.close(ErrorCode.CANCEL);
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.CANCEL} false`));
  const second = connectStream(pair.session);
  await once(second, 'response');
  pair.ours.codec.resetStream(3, ErrorCode.CONNECT_ERROR);
  pair.ours.flush();
  await next(second, 'close');
  expect(second.rstCode).toBe(ErrorCode.CONNECT_ERROR);
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('server: graceful GOAWAY lets streams finish and takes no new ones', async () => {
  await using pair = await serveNode();
  const stream = connectStream(pair.session);
  await once(stream, 'response');
  const goaways: number[][] = [];
  pair.session.on('goaway', (code, last) => goaways.push([code, last]));
  pair.ours.codec.goaway(ErrorCode.NO_ERROR, true);
  pair.ours.codec.ping();
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('pong'));
  pair.ours.codec.goaway(ErrorCode.NO_ERROR, false);
  pair.ours.flush();
  stream.end('last words');
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('last words')));
  await once(pair.session, 'close');
  expect(goaways).toEqual([
    [0, 0x7fff_ffff],
    [0, 1],
  ]);
});

test('server: streams over the limit are refused, the others live', async () => {
  await using pair = await serveNode({
    codec: { maxConcurrentStreams: 2 },
    // Node keeps to the limit once it knows it: these three leave before our SETTINGS are there.
    session: { peerMaxConcurrentStreams: 100 },
  });
  const streams = [1, 2, 3].map(() => connectStream(pair.session));
  await once(streams[0]!, 'response');
  streams[0]!.end();
  streams[1]!.end();
  await Promise.all(streams.slice(0, 2).map((stream) => readAll(stream)));
  expect(pair.ours.log).not.toContainEqual(expect.stringContaining('fatal'));
});

test('server: header blocks in CONTINUATION frames, and a list over the limit gets 431', async () => {
  await using pair = await serveNode({ session: { maxSendHeaderBlockLength: 200_000 } });
  const fits = pair.session.request(
    { ':method': 'CONNECT', ':authority': 'a:1', 'x-long': 'X'.repeat(60_000) },
    { endStream: false },
  );
  fits.on('error', () => {});
  const ok = await next<http2.IncomingHttpHeaders>(fits, 'response');
  expect(ok[':status']).toBe(200);
  const tooLong = pair.session.request(
    { ':method': 'CONNECT', ':authority': 'a:1', 'x-long': 'X'.repeat(80_000) },
    { endStream: false },
  );
  tooLong.on('error', () => {});
  const refused = await next<http2.IncomingHttpHeaders>(tooLong, 'response');
  expect(refused[':status']).toBe(431);
  const after = connectStream(pair.session);
  const again = await next<http2.IncomingHttpHeaders>(after, 'response');
  expect(again[':status']).toBe(200);
});

test('server: a reader that credits nothing stops the sender at the window', async () => {
  await using pair = await serveNode({ codec: { streamWindowBytes: 100_000 } });
  pair.ours.credit = false;
  let received = 0;
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.length;
    ended ||= last;
  };
  const stream = connectStream(pair.session);
  stream.end(randomBytes(250_000));
  await pair.ours.until(() => received === 100_000);
  // An answer to a PING that was sent after the window ran out: nothing more was on the way.
  pair.ours.codec.ping();
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('pong'));
  expect(received).toBe(100_000);
  pair.ours.credit = true;
  pair.ours.codec.credit(1, received);
  pair.ours.flush();
  await pair.ours.until(() => ended);
  expect(received).toBe(250_000);
});

test('client: half-close both ways', async () => {
  await using pair = await dialNode();
  const streams = next<http2.ServerHttp2Stream>(pair.server, 'stream');
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  const stream = await streams;
  stream.respond({ ':status': 200 });
  pair.ours.send(id, Buffer.from('request'), true);
  expect(digest(await readAll(stream))).toBe(digest(Buffer.from('request')));
  let received = '';
  let ended = false;
  pair.ours.onData = (_id, bytes, last) => {
    received += bytes.toString();
    ended ||= last;
  };
  stream.end('answer');
  await pair.ours.until(() => ended);
  expect(received).toBe('answer');
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('client: GOAWAY refuses what was not processed and lets the rest finish', async () => {
  await using pair = await dialNode();
  const streams = next<http2.ServerHttp2Stream>(pair.server, 'stream');
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  const stream = await streams;
  stream.respond({ ':status': 200 });
  let ended = false;
  pair.ours.onData = (_id, _bytes, last) => {
    ended ||= last;
  };
  pair.session.goaway(ErrorCode.NO_ERROR, 1);
  const late = pair.ours.codec.request(CONNECT);
  expect(late).toBe(3);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.REFUSED_STREAM} false`));
  expect(pair.ours.log).toContain('goaway 1 0');
  expect(pair.ours.codec.request(CONNECT)).toBe(0);
  stream.end();
  await pair.ours.until(() => ended);
  pair.ours.send(id, Buffer.alloc(0), true);
  expect(pair.ours.codec.openStreams).toBe(0);
});

test('client: resets in both directions keep their codes', async () => {
  await using pair = await dialNode();
  const streams: http2.ServerHttp2Stream[] = [];
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams.push(stream);
    if (streams.length === 2) stream.close(ErrorCode.CONNECT_ERROR);
    else stream.respond({ ':status': 200 });
  });
  const id = pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.includes('headers 200 false'));
  const closed = next(streams[0]!, 'close');
  pair.ours.codec.resetStream(id, ErrorCode.CANCEL);
  pair.ours.codec.request(CONNECT);
  pair.ours.flush();
  await closed;
  expect(streams[0]!.rstCode).toBe(ErrorCode.CANCEL);
  await pair.ours.until(() => pair.ours.log.includes(`reset ${ErrorCode.CONNECT_ERROR} false`));
});

test("client: keeps to the server's limit of streams and goes on when one ends", async () => {
  await using pair = await dialNode({ server: { settings: { maxConcurrentStreams: 2 } } });
  pair.server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 401 }, { endStream: true });
  });
  await pair.ours.until(() => pair.ours.log.includes('settings'));
  expect([CONNECT, CONNECT, CONNECT].map((fields) => pair.ours.codec.request(fields))).toEqual([1, 3, 0]);
  pair.ours.flush();
  await pair.ours.until(() => pair.ours.log.filter((line) => line === 'headers 401 true').length === 2);
  pair.ours.codec.resetStream(1, ErrorCode.CANCEL);
  expect(pair.ours.codec.request(CONNECT)).toBe(5);
});

test('both ends answer PING', async () => {
  await using served = await serveNode();
  await using dialled = await dialNode();
  for (const session of [served.session, dialled.session]) {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    session.ping(Buffer.from('12345678'), (_error, _duration, payload) => resolve(payload));
    expect((await promise).toString()).toBe('12345678');
  }
  for (const { ours } of [served, dialled]) {
    ours.codec.ping();
    ours.flush();
    await ours.until(() => ours.log.includes('pong'));
  }
});
