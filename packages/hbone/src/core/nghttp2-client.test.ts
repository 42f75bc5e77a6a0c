import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildSettings, cutFrames } from '../fuzz/frames.ts';
import { answerOfOurs, bytesOf, portOf, type Row, readAnswer } from '../fuzz/nghttp2-answers.ts';
import { Flag, FrameType } from './frame.ts';
import { data, frame, goaway, headers, OK, reset, settings, windowUpdate } from './testing/frames.ts';

// What nghttp2 answers is that of the Node in node_modules; a new one may agree with us in more rows.
const { END_HEADERS, END_STREAM } = Flag;

/** Stream 1 is a CONNECT request without an answer. */
const TO_CLIENT: readonly Row[] = [
  {
    rule: '5.1: DATA before the response',
    frames: [data(1, '61')],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['GOAWAY PROTOCOL_ERROR', '8.1.1: a malformed response is a stream error'],
  },
  { rule: '5.1: DATA on an idle stream', frames: [data(3, '61')], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '5.1: DATA after END_STREAM',
    frames: [headers(1, OK), data(1, '61', END_STREAM), data(1, '62')],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['GOAWAY STREAM_CLOSED', '5.1: half-closed (remote) is a stream error; the other streams live'],
  },
  {
    rule: "5.1: DATA after the peer's own RST_STREAM",
    frames: [headers(1, OK), reset(1, 8), data(1, '61')],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['nothing', '6.1: DATA on a closed stream is a stream error STREAM_CLOSED; nghttp2 ignores it'],
  },
  {
    rule: '5.1: HEADERS after END_STREAM',
    frames: [headers(1, OK, END_STREAM), headers(1, [['x', 'y']], END_STREAM)],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['GOAWAY STREAM_CLOSED', '5.1: half-closed (remote) is a stream error; the other streams live'],
  },
  { rule: '5.1.1: HEADERS on an even stream', frames: [headers(2, OK)], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '5.1.1: HEADERS on an idle stream', frames: [headers(3, OK)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '8.4: PUSH_PROMISE though push is off',
    frames: [headers(1, OK), frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, '0000000282')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.5.2: ENABLE_PUSH from a server',
    frames: [settings(buildSettings([[2, 1]]))],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  { rule: '6.4: RST_STREAM on an idle stream', frames: [reset(3, 8)], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '5.1: WINDOW_UPDATE on an idle stream', frames: [windowUpdate(3, 1)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.9: WINDOW_UPDATE of 0 on a stream',
    frames: [windowUpdate(1, 0)],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['GOAWAY PROTOCOL_ERROR', '6.9: a stream error'],
  },
  {
    rule: '6.9.1: the window of a stream overflows',
    frames: [windowUpdate(1, 0x7fff_ffff)],
    answer: 'RST 1 FLOW_CONTROL_ERROR',
    differs: ['GOAWAY FLOW_CONTROL_ERROR', '6.9.1: RST_STREAM; the connection lives'],
  },
  { rule: '8.3.2: no :status', frames: [headers(1, [['x', 'y']])], answer: 'RST 1 PROTOCOL_ERROR' },
  {
    rule: '8.3.2: :status that is no number',
    frames: [headers(1, [[':status', '2x0']])],
    answer: 'RST 1 PROTOCOL_ERROR',
  },
  { rule: '8.3.2: :status of two digits', frames: [headers(1, [[':status', '20']])], answer: 'RST 1 PROTOCOL_ERROR' },
  {
    rule: '8.3.2: :status twice',
    frames: [
      headers(1, [
        [':status', '200'],
        [':status', '200'],
      ]),
    ],
    answer: 'RST 1 PROTOCOL_ERROR',
  },
  {
    rule: '8.3: a pseudo-header of the other role',
    frames: [headers(1, [...OK, [':path', '/']])],
    answer: 'RST 1 PROTOCOL_ERROR',
  },
  { rule: '8.6: status 101', frames: [headers(1, [[':status', '101']])], answer: 'RST 1 PROTOCOL_ERROR' },
  { rule: '8.1: an interim response', frames: [headers(1, [[':status', '103']]), headers(1, OK)], answer: 'nothing' },
  {
    rule: '8.1: an interim response with END_STREAM',
    frames: [headers(1, [[':status', '103']], END_STREAM)],
    answer: 'RST 1 PROTOCOL_ERROR',
  },
  { rule: '8.1: two final responses', frames: [headers(1, OK), headers(1, OK)], answer: 'RST 1 PROTOCOL_ERROR' },
  {
    rule: '8.5: trailers on a tunnel',
    frames: [headers(1, OK), headers(1, [['x', 'y']], END_STREAM)],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['nothing', '8.5: nothing but DATA, RST_STREAM, WINDOW_UPDATE, PRIORITY; else a stream error'],
  },
  {
    rule: '8.1: trailers behind a refusal',
    frames: [headers(1, [[':status', '404']]), data(1, '61'), headers(1, [['x', 'y']], END_STREAM)],
    answer: 'nothing',
  },
  {
    rule: '8.5: content-length on a tunnel',
    frames: [headers(1, [...OK, ['content-length', '5']]), data(1, '61', END_STREAM)],
    answer: 'nothing',
  },
  {
    rule: '8.1.1: content-length and other content',
    frames: [
      headers(1, [
        [':status', '404'],
        ['content-length', '5'],
      ]),
      data(1, '61', END_STREAM),
    ],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['nothing', '8.1.1: malformed; only a 2xx of CONNECT has no content-length (8.5)'],
  },
  { rule: '8.2.2: connection', frames: [headers(1, [...OK, ['connection', 'close']])], answer: 'RST 1 PROTOCOL_ERROR' },
  {
    rule: '8.2.1: a name with a capital',
    frames: [headers(1, [...OK, ['Upper', '1']])],
    answer: 'RST 1 PROTOCOL_ERROR',
  },
  {
    rule: '7541 2.3.3: index 0',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 1, '80')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  { rule: '6.8: GOAWAY that refuses all', frames: [goaway(0, 0)], answer: 'nothing' },
  {
    rule: '6.8: GOAWAY of a wrong length',
    frames: [frame(FrameType.GOAWAY, 0, 0, '00')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
];

describe('a client', () => {
  const listener = createServer();
  beforeAll(async () => {
    await once(listener.listen(0, '127.0.0.1'), 'listening');
  });
  afterAll(() => listener.close());

  test.each(TO_CLIENT)('$rule: $answer', async (row) => {
    const bytes = bytesOf('client', row);
    const accepted = once(listener, 'connection');
    const session = http2.connect(`http://127.0.0.1:${portOf(listener)}`, { settings: { enablePush: false } });
    session.on('error', () => {});
    const request = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:80' }, { endStream: false });
    request.on('error', () => {});
    request.resume();
    const [socket]: Socket[] = await accepted;
    socket!.on('error', () => {});
    // Not before its request is there: an answer to a request that was not sent is another matter.
    let heard = Buffer.alloc(0);
    while (!cutFrames(heard).frames.some(({ type }) => type === FrameType.HEADERS)) {
      const [chunk]: Buffer[] = await once(socket!, 'data');
      heard = Buffer.concat([heard, chunk!]);
    }
    socket!.write(bytes);
    const theirs = await readAnswer(socket!);
    session.destroy();
    socket!.destroy();
    expect(answerOfOurs('client', bytes)).toBe(row.answer);
    expect(theirs).toBe(row.differs?.[0] ?? row.answer);
  });
});
