import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, connect as dialTcp, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGreeting, buildSettings, cutFrames } from '../fuzz/frames.ts';
import { Codec } from './codec.ts';
import { ErrorCode } from './error-code.ts';
import { EventRecorder } from './event-recorder.ts';
import { CLIENT_PREFACE, Flag, FrameType, readUint32 } from './frame.ts';
import { MIN_CONTROL_ROOM_BYTES, type Role } from './limits.ts';
import {
  CONNECT,
  data,
  frame,
  GET,
  goaway,
  headers,
  OK,
  octets,
  reset,
  settings,
  windowUpdate,
} from './testing/frames.ts';

// What nghttp2 answers is that of the Node in node_modules; a new one may agree with us in more rows.
const { END_HEADERS, END_STREAM, PADDED, PRIORITY, ACK } = Flag;
const MARK = '6c61737420776f72';
const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** The same limits on both sides. */
const OPTIONS = { maxFrameBytes: 16_384, streamWindowBytes: 65_535, connectionWindowBytes: 65_535, maxLentBytes: 0 };

/** Errors in what was sent, in order, up to the answer of the last PING: `GOAWAY <code>`, `RST <stream> <code>`. */
function errorsIn(sent: Uint8Array): string {
  const errors: string[] = [];
  for (const { type, id, payload } of cutFrames(sent).frames) {
    const code =
      type === FrameType.GOAWAY ? readUint32(payload, 4) : type === FrameType.RST_STREAM ? readUint32(payload, 0) : 0;
    const name = NAMES.get(code) ?? `${code}`;
    if (code !== 0) errors.push(type === FrameType.GOAWAY ? `GOAWAY ${name}` : `RST ${id} ${name}`);
    if (type === FrameType.GOAWAY && code !== 0) break;
  }
  return errors.join(', ') || 'nothing';
}

const hasMark = (sent: Uint8Array) =>
  cutFrames(sent).frames.some(
    ({ type, payload }) => type === FrameType.PING && Buffer.from(payload).toString('hex') === MARK,
  );

interface Row {
  readonly rule: string;
  readonly frames: readonly Uint8Array[];
  /** What our codec answers; what nghttp2 answers as well if there is no `differs`. */
  readonly answer: string;
  /** What nghttp2 answers, and why we do not. */
  readonly differs?: readonly [answer: string, why: string];
  /** The frames are all there is: no greeting. */
  readonly raw?: boolean;
}

function answerOfOurs(role: Role, bytes: Uint8Array): string {
  const recorder = new EventRecorder();
  const codec = new Codec(role, recorder, OPTIONS);
  recorder.headers = (id) => (role === 'server' ? codec.respond(id, OK, false) : undefined);
  if (role === 'client') codec.request(CONNECT);
  codec.push(bytes, 0, bytes.length);
  const memory = Buffer.alloc(2 * MIN_CONTROL_ROOM_BYTES);
  return errorsIn(memory.subarray(0, codec.control(memory, 0, memory.length)));
}

/** Stream 1 is a tunnel that the server answered. */
const TO_SERVER: readonly Row[] = [
  {
    rule: '3.4: not an HTTP/2 client',
    raw: true,
    frames: [Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')],
    answer: 'GOAWAY PROTOCOL_ERROR',
    differs: ['GOAWAY INTERNAL_ERROR', '3.4: an invalid preface is PROTOCOL_ERROR'],
  },
  {
    rule: '3.4: PING before SETTINGS',
    raw: true,
    frames: [Buffer.from(CLIENT_PREFACE), frame(FrameType.PING, 0, 0, '0102030405060708')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '3.4: ACK as the first SETTINGS',
    raw: true,
    frames: [Buffer.from(CLIENT_PREFACE), frame(FrameType.SETTINGS, ACK, 0)],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  { rule: '6.1: DATA on stream 0', frames: [data(0, '61')], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '5.1: DATA on an idle stream', frames: [data(3, '61')], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '5.1: DATA after END_STREAM',
    frames: [data(1, '61', END_STREAM), data(1, '62')],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['GOAWAY STREAM_CLOSED', '5.1: half-closed (remote) is a stream error; the other streams live'],
  },
  {
    rule: "5.1: DATA after the peer's own RST_STREAM",
    frames: [reset(1, ErrorCode.CANCEL), data(1, '61')],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['nothing', '6.1: DATA on a closed stream is a stream error STREAM_CLOSED; nghttp2 ignores it'],
  },
  { rule: '6.1: padding as long as DATA', frames: [data(1, '0200', PADDED)], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '6.1: padding longer than DATA', frames: [data(1, 'ff00', PADDED)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.1: DATA without its pad length',
    frames: [data(1, '', PADDED)],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
    differs: ['GOAWAY PROTOCOL_ERROR', '4.2: too small for mandatory data is FRAME_SIZE_ERROR'],
  },
  {
    rule: '6.9.1: DATA beyond the window of stream and connection',
    frames: [data(1, octets(16_384)), data(1, octets(16_384)), data(1, octets(16_384)), data(1, octets(16_384))],
    answer: 'GOAWAY FLOW_CONTROL_ERROR',
  },
  {
    rule: '4.2: a frame larger than MAX_FRAME_SIZE',
    frames: [data(1, octets(16_385))],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  {
    rule: '4.2: an unknown frame larger than MAX_FRAME_SIZE',
    frames: [frame(0x77, 0, 0, octets(16_385))],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  { rule: '4.1: an unknown frame', frames: [frame(0x77, 0xff, 1, '00'), frame(0x78, 0, 0, '')], answer: 'nothing' },
  { rule: '6.2: HEADERS on stream 0', frames: [headers(0, CONNECT)], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '5.1.1: a request on an even stream', frames: [headers(2, CONNECT)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '5.1.1: a request on a lower stream',
    frames: [headers(5, CONNECT), headers(3, CONNECT)],
    answer: 'GOAWAY PROTOCOL_ERROR',
    differs: ['nothing', '5.1.1: an unexpected stream identifier is PROTOCOL_ERROR; nghttp2 ignores it'],
  },
  {
    rule: '6.2: HEADERS with too much padding',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PADDED, 3, 'ff82')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.2: HEADERS without its pad length',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PADDED, 3, '')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
    differs: ['GOAWAY PROTOCOL_ERROR', '4.2: too small for mandatory data is FRAME_SIZE_ERROR'],
  },
  {
    rule: '6.2: HEADERS without its priority',
    frames: [frame(FrameType.HEADERS, END_HEADERS | PRIORITY, 3, '0000')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  {
    rule: '5.1: HEADERS after END_STREAM',
    frames: [data(1, '', END_STREAM), headers(1, [['x', 'y']], END_STREAM)],
    answer: 'RST 1 STREAM_CLOSED',
    differs: ['GOAWAY STREAM_CLOSED', '5.1: half-closed (remote) is a stream error; the other streams live'],
  },
  {
    rule: "5.1: HEADERS after the peer's own RST_STREAM",
    frames: [reset(1, ErrorCode.CANCEL), headers(1, CONNECT)],
    answer: 'GOAWAY STREAM_CLOSED',
    differs: ['nothing', '5.1: a frame on a closed stream may be a connection error; nghttp2 ignores it'],
  },
  {
    rule: '6.3: PRIORITY on stream 0',
    frames: [frame(FrameType.PRIORITY, 0, 0, '0000000010')],
    answer: 'GOAWAY PROTOCOL_ERROR',
    differs: ['nothing', '6.3: PROTOCOL_ERROR; nghttp2 no longer looks at PRIORITY'],
  },
  {
    rule: '6.3: PRIORITY of a wrong length',
    frames: [frame(FrameType.PRIORITY, 0, 1, '00000010')],
    answer: 'RST 1 FRAME_SIZE_ERROR',
    differs: ['GOAWAY FRAME_SIZE_ERROR', '6.3: a stream error'],
  },
  {
    rule: '6.3: PRIORITY of a wrong length on an idle stream',
    frames: [frame(FrameType.PRIORITY, 0, 9, '00000010')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  { rule: '6.4: RST_STREAM on stream 0', frames: [reset(0, 8)], answer: 'GOAWAY PROTOCOL_ERROR' },
  { rule: '6.4: RST_STREAM on an idle stream', frames: [reset(3, 8)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.4: RST_STREAM of a wrong length',
    frames: [frame(FrameType.RST_STREAM, 0, 1, '000000')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  { rule: '6.4: RST_STREAM again', frames: [reset(1, 8), reset(1, 8)], answer: 'nothing' },
  { rule: '6.5: SETTINGS on a stream', frames: [frame(FrameType.SETTINGS, 0, 1)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.5: SETTINGS of a wrong length',
    frames: [frame(FrameType.SETTINGS, 0, 0, '0001000000')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  {
    rule: '6.5: ACK with a payload',
    frames: [frame(FrameType.SETTINGS, ACK, 0, '000100000000')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  { rule: '6.5.2: ENABLE_PUSH of 2', frames: [settings(buildSettings([[2, 2]]))], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.5.2: INITIAL_WINDOW_SIZE too large',
    frames: [settings(buildSettings([[4, 0x8000_0000]]))],
    answer: 'GOAWAY FLOW_CONTROL_ERROR',
  },
  {
    rule: '6.5.2: MAX_FRAME_SIZE too small',
    frames: [settings(buildSettings([[5, 16_383]]))],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.5.2: MAX_FRAME_SIZE too large',
    frames: [settings(buildSettings([[5, 16_777_216]]))],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '8441 3: ENABLE_CONNECT_PROTOCOL of 2',
    frames: [settings(buildSettings([[8, 2]]))],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  { rule: '6.5.2: an unknown setting', frames: [settings(buildSettings([[0x99, 7]]))], answer: 'nothing' },
  { rule: '6.5.3: ACK of nothing', frames: [frame(FrameType.SETTINGS, ACK, 0)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.9.2: SETTINGS makes a window too large',
    frames: [windowUpdate(1, 0x7fff_0000), settings(buildSettings([[4, 0x7fff_ffff]]))],
    answer: 'GOAWAY FLOW_CONTROL_ERROR',
  },
  {
    rule: '8.4: PUSH_PROMISE',
    frames: [frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, '0000000282')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.7: PING on a stream',
    frames: [frame(FrameType.PING, 0, 1, '0102030405060708')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.7: PING of a wrong length',
    frames: [frame(FrameType.PING, 0, 0, '01020304050607')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  {
    rule: '6.7: an answer to no PING',
    frames: [frame(FrameType.PING, ACK, 0, '0102030405060708')],
    answer: 'nothing',
    differs: ['GOAWAY INTERNAL_ERROR', '6.7: no error; Node ends the session'],
  },
  {
    rule: '6.8: GOAWAY on a stream',
    frames: [frame(FrameType.GOAWAY, 0, 1, '0000000000000000')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.8: GOAWAY of a wrong length',
    frames: [frame(FrameType.GOAWAY, 0, 0, '00000000000000')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  { rule: '6.9: WINDOW_UPDATE of 0', frames: [windowUpdate(0, 0)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.9: WINDOW_UPDATE of 0 on a stream',
    frames: [windowUpdate(1, 0)],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['GOAWAY PROTOCOL_ERROR', '6.9: a stream error'],
  },
  {
    rule: '6.9.1: the window of the connection overflows',
    frames: [windowUpdate(0, 0x7fff_ffff)],
    answer: 'GOAWAY FLOW_CONTROL_ERROR',
  },
  {
    rule: '6.9.1: the window of a stream overflows',
    frames: [windowUpdate(1, 0x7fff_ffff)],
    answer: 'RST 1 FLOW_CONTROL_ERROR',
    differs: ['GOAWAY FLOW_CONTROL_ERROR', '6.9.1: RST_STREAM; the connection lives'],
  },
  { rule: '5.1: WINDOW_UPDATE on an idle stream', frames: [windowUpdate(3, 1)], answer: 'GOAWAY PROTOCOL_ERROR' },
  {
    rule: '6.9: WINDOW_UPDATE of a wrong length',
    frames: [frame(FrameType.WINDOW_UPDATE, 0, 0, '000001')],
    answer: 'GOAWAY FRAME_SIZE_ERROR',
  },
  {
    rule: '5.1: WINDOW_UPDATE on a stream that the peer reset',
    frames: [reset(1, 8), windowUpdate(1, 1)],
    answer: 'nothing',
  },
  {
    rule: '6.10: CONTINUATION of nothing',
    frames: [frame(FrameType.CONTINUATION, END_HEADERS, 1, '82')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.10: CONTINUATION on stream 0',
    frames: [frame(FrameType.CONTINUATION, END_HEADERS, 0, '82')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.10: CONTINUATION of another stream',
    frames: [frame(FrameType.HEADERS, 0, 3, '82'), frame(FrameType.CONTINUATION, END_HEADERS, 5, '82')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.10: a header block interrupted by DATA',
    frames: [frame(FrameType.HEADERS, 0, 3, '82'), data(1, '61')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '6.10: a header block interrupted by an unknown frame',
    frames: [frame(FrameType.HEADERS, 0, 3, '82'), frame(0x77, 0, 0, '00')],
    answer: 'GOAWAY PROTOCOL_ERROR',
  },
  {
    rule: '7541 2.3.3: index 0',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '80')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 2.3.3: an index beyond the tables',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, 'ff20')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 6.3: a table larger than allowed',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '3fe21f')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 4.2: a late size update',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '8220')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 5.1: an endless integer',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, 'ff808080808080808001')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 5.2: a string cut short',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '00056162')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 5.2: padding that is not of EOS',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '00811800')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '7541 5.2: EOS inside of a string',
    frames: [frame(FrameType.HEADERS, END_HEADERS, 3, '0084ffffffff00')],
    answer: 'GOAWAY COMPRESSION_ERROR',
  },
  {
    rule: '8.2.1: a name with a capital',
    frames: [headers(3, [...CONNECT, ['Upper', '1']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.2.1: a name that is no token',
    frames: [headers(3, [...CONNECT, ['a b', '1']])],
    answer: 'RST 3 PROTOCOL_ERROR',
    differs: ['nothing', '8.2.1: must be malformed; nghttp2 leaves out the field'],
  },
  {
    rule: '8.2.1: an empty name',
    frames: [headers(3, [...CONNECT, ['', '1']])],
    answer: 'RST 3 PROTOCOL_ERROR',
    differs: ['nothing', '8.2.1: must be malformed; nghttp2 leaves out the field'],
  },
  {
    rule: '8.2.1: a value with LF',
    frames: [headers(3, [...CONNECT, ['x', 'a\nb']])],
    answer: 'RST 3 PROTOCOL_ERROR',
    differs: ['nothing', '8.2.1: must be malformed; nghttp2 leaves out the field'],
  },
  {
    rule: '8.2.1: a value with NUL',
    frames: [headers(3, [...CONNECT, ['x', 'a\0b']])],
    answer: 'RST 3 PROTOCOL_ERROR',
    differs: ['nothing', '8.2.1: must be malformed; nghttp2 leaves out the field'],
  },
  {
    rule: '8.2.1: a value that starts with a space',
    frames: [headers(3, [...CONNECT, ['x', ' a']])],
    answer: 'RST 3 PROTOCOL_ERROR',
    differs: ['nothing', '8.2.1: must be malformed; nghttp2 leaves out the field'],
  },
  {
    rule: '8.2.1: a value with octets beyond ASCII',
    frames: [headers(3, [...CONNECT, ['x', '\xff\x80']])],
    answer: 'nothing',
  },
  {
    rule: '9110 5.5: a value with another control character',
    frames: [headers(3, [...CONNECT, ['x', 'a\x01b']])],
    answer: 'nothing',
  },
  {
    rule: '8.2.2: connection',
    frames: [headers(3, [...CONNECT, ['connection', 'close']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.2.2: proxy-connection',
    frames: [headers(3, [...CONNECT, ['proxy-connection', 'x']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.2.2: keep-alive',
    frames: [headers(3, [...CONNECT, ['keep-alive', 'x']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  { rule: '8.2.2: upgrade', frames: [headers(3, [...CONNECT, ['upgrade', 'x']])], answer: 'RST 3 PROTOCOL_ERROR' },
  {
    rule: '8.2.2: transfer-encoding',
    frames: [headers(3, [...CONNECT, ['transfer-encoding', 'chunked']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  { rule: '8.2.2: te', frames: [headers(3, [...CONNECT, ['te', 'gzip']])], answer: 'RST 3 PROTOCOL_ERROR' },
  { rule: '8.2.2: te trailers', frames: [headers(3, [...CONNECT, ['te', 'trailers']])], answer: 'nothing' },
  {
    rule: '8.3: an unknown pseudo-header',
    frames: [headers(3, [...CONNECT, [':foo', '1']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3: a pseudo-header of the other role',
    frames: [headers(3, [...CONNECT, [':status', '200']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3: a pseudo-header behind a field',
    frames: [headers(3, [CONNECT[0]!, ['x', '1'], CONNECT[1]!])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3: a pseudo-header twice',
    frames: [headers(3, [...CONNECT, CONNECT[1]!])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.5: CONNECT without :authority',
    frames: [headers(3, [[':method', 'CONNECT']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.5: CONNECT with :path',
    frames: [headers(3, [...CONNECT, [':path', '/']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.5: CONNECT with :scheme',
    frames: [headers(3, [...CONNECT, [':scheme', 'https']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.5: CONNECT with an empty :authority',
    frames: [headers(3, [CONNECT[0]!, [':authority', '']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3.1: :authority with user information',
    frames: [headers(3, [CONNECT[0]!, [':authority', 'user@10.0.0.1:80']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3.1: :authority with a space',
    frames: [headers(3, [CONNECT[0]!, [':authority', '10.0.0.1 :80']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8441 4: extended CONNECT that was not announced',
    frames: [headers(3, [CONNECT[0]!, [':protocol', 'websocket'], ...GET.slice(1), CONNECT[1]!])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3.1: GET without :path',
    frames: [headers(3, GET.slice(0, 2), END_STREAM)],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3.1: GET with an empty :path',
    frames: [headers(3, [...GET.slice(0, 2), [':path', '']], END_STREAM)],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.3.1: no :method',
    frames: [
      headers(
        3,
        [
          [':scheme', 'http'],
          [':path', '/'],
        ],
        END_STREAM,
      ),
    ],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.1: trailers without END_STREAM',
    frames: [headers(3, GET), headers(3, [['x', 'y']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.1: trailers with a pseudo-header',
    frames: [headers(3, GET), headers(3, [[':path', '/']], END_STREAM)],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.5: trailers on a tunnel',
    frames: [headers(1, [['x', 'y']], END_STREAM)],
    answer: 'RST 1 PROTOCOL_ERROR',
    differs: ['nothing', '8.5: nothing but DATA, RST_STREAM, WINDOW_UPDATE, PRIORITY; else a stream error'],
  },
  {
    rule: '8.1.1: content-length and other content',
    frames: [headers(3, [...GET, ['content-length', '5']]), data(3, '61', END_STREAM)],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
  {
    rule: '8.1.1: content-length that is no number',
    frames: [headers(3, [...GET, ['content-length', 'x']])],
    answer: 'RST 3 PROTOCOL_ERROR',
  },
];

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

/** The bytes of a row, ending in a PING whose answer says that everything was read. */
function bytesOf(role: Role, { frames, raw }: Row): Buffer {
  const greeting = raw === true ? [] : [buildGreeting(role), ...(role === 'server' ? [headers(1, CONNECT)] : [])];
  return Buffer.concat([...greeting, ...frames, frame(FrameType.PING, 0, 0, MARK)]);
}

/** Everything that a peer sends up to the answer of the PING, a GOAWAY or its end. */
async function readAnswer(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    if (hasMark(sent) || errorsIn(sent).includes('GOAWAY')) resolve();
  });
  socket.on('close', resolve);
  await promise;
  const sent = Buffer.concat(chunks);
  const answer = errorsIn(sent);
  return answer === 'nothing' && !hasMark(sent) ? 'closed' : answer;
}

function portOf(server: Server | http2.Http2Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

describe('a server', () => {
  const server = http2.createServer();
  beforeAll(async () => {
    server.on('sessionError', () => {});
    server.on('session', (session) => session.on('error', () => {}));
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': 200 });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterAll(() => server.close());

  test.each(TO_SERVER)('$rule: $answer', async (row) => {
    const bytes = bytesOf('server', row);
    const socket = dialTcp(portOf(server), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes);
    const theirs = await readAnswer(socket);
    socket.destroy();
    expect(answerOfOurs('server', bytes)).toBe(row.answer);
    expect(theirs).toBe(row.differs?.[0] ?? row.answer);
  });
});

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
