import { afterAll, expect, test } from 'vitest';
import { buildSettings } from '../fuzz/frames.ts';
import { answerOfOurs, bytesOf, NodeAnswers, type Row } from '../fuzz/nghttp2-answers.ts';
import { ErrorCode } from './error-code.ts';
import { CLIENT_PREFACE, Flag, FrameType } from './frame.ts';
import { CONNECT, data, frame, headers, octets, reset, settings, windowUpdate } from './testing/frames.ts';

// What nghttp2 answers is that of the Node in node_modules; a new one may agree with us in more rows.
const { END_HEADERS, END_STREAM, PADDED, PRIORITY, ACK } = Flag;

/** RFC 9113 3 to 6.9: frames and their streams. Stream 1 is a tunnel that the server answered. */
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
];

const node = new NodeAnswers();
afterAll(() => node[Symbol.dispose]());

test.each(TO_SERVER)('a server: $rule: $answer', async (row) => {
  const bytes = bytesOf('server', row);
  expect(answerOfOurs('server', bytes)).toBe(row.answer);
  expect(await node.of(bytes)).toBe(row.differs?.[0] ?? row.answer);
});
