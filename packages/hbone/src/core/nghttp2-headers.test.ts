import { afterAll, expect, test } from 'vitest';
import { answerOfOurs, bytesOf, NodeAnswers, type Row } from '../fuzz/nghttp2-answers.ts';
import { Flag, FrameType } from './frame.ts';
import { CONNECT, data, frame, GET, headers } from './testing/frames.ts';

// What nghttp2 answers is that of the Node in node_modules; a new one may agree with us in more rows.
const { END_HEADERS, END_STREAM } = Flag;

/** RFC 9113 6.10 and 8, RFC 7541: header blocks. Stream 1 is a tunnel that the server answered. */
const TO_SERVER: readonly Row[] = [
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

const node = new NodeAnswers();
afterAll(() => node[Symbol.dispose]());

test.each(TO_SERVER)('a server: $rule: $answer', async (row) => {
  const bytes = bytesOf('server', row);
  expect(answerOfOurs('server', bytes)).toBe(row.answer);
  expect(await node.of(bytes)).toBe(row.differs?.[0] ?? row.answer);
});
