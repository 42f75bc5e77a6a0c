import { ErrorCode } from '../core/error-code.ts';
import {
  block,
  connectBlock,
  FLAG,
  frame,
  headers,
  indexedLiteral,
  integer,
  literal,
  ping,
  repeat,
  Type,
} from '../testing/raw-frames.ts';
import type { Attack, Stage, Verdict } from './attack.ts';

const { COMPRESSION_ERROR, ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR } = ErrorCode;
const CONTINUATIONS = 10_000;
const NOTHING = Buffer.alloc(0);
/** Dynamic table entry of almost the whole table. RFC 7541 4.1 */
const BIG_FIELD = indexedLiteral('x', 'y'.repeat(4000));
/** The first entry of the dynamic table. */
const FIRST_ENTRY = Buffer.of(0xbe);
const BOMB = Buffer.concat([BIG_FIELD, repeat(FIRST_ENTRY, 12_000)]);
/** As large as a block may be by default (hbone.md §2 and twice of it): the longest a single one can take. */
const LARGEST_BOMB = Buffer.concat([BIG_FIELD, repeat(FIRST_ENTRY, 120_000)]);
const SMALL_BOMB = Buffer.concat([BIG_FIELD, repeat(FIRST_ENTRY, 500)]);
const SMALL_BOMBS = 1500;
const LARGE_BLOCKS = 64;

/** Header block unfinished, then frames until the other side has had enough. */
async function unfinished(stage: Stage, pieces: readonly Uint8Array[]): Promise<void> {
  const id = stage.fresh();
  await stage.peer.send(frame(Type.HEADERS, 0, id, stage.message()));
  const frames = pieces.map((piece) => frame(Type.CONTINUATION, 0, id, piece));
  await stage.peer.flood(CONTINUATIONS * stage.factor, (index) => frames[index % frames.length]!);
}

/** One header block on a fresh stream, which is watched. */
function oneBlock(name: string, verdict: Verdict, bytes: Uint8Array, clientVerdict = verdict): Attack {
  return {
    name,
    server: verdict,
    client: clientVerdict,
    unanswered: true,
    run: async (stage) => {
      const id = stage.fresh();
      stage.watch(id);
      await stage.peer.send(headers(id, bytes));
    },
  };
}

const TOO_LARGE = { reset: NO_ERROR };
const TOO_LARGE_ANSWER = { reset: ENHANCE_YOUR_CALM };

/** Small fields, each of which takes the place of another in the table. */
function churn(octets: number): Buffer {
  const fields: Buffer[] = [];
  for (let bytes = 0, index = 0; bytes < octets; index++) {
    const field = indexedLiteral(String(index % 10), '');
    fields.push(field);
    bytes += field.length;
  }
  return Buffer.concat(fields);
}

const CHURN = churn(30_000);
const LARGE_CHURN = churn(120_000);

function manyBlocks(name: string, times: number, bytes: Uint8Array, verdict: Verdict): Attack {
  return {
    name,
    server: verdict,
    run: async (stage) => {
      stage.watch(stage.fresh());
      let id = stage.target;
      const next = (): Uint8Array => {
        id = stage.fresh();
        return headers(id, bytes);
      };
      await stage.peer.flood(times * stage.factor, next);
      stage.watch(id);
    },
  };
}

const compression: readonly Attack[] = [
  oneBlock('HPACK bomb (CVE-2016-6581)', TOO_LARGE, BOMB, TOO_LARGE_ANSWER),
  manyBlocks('HPACK bombs of the largest size', LARGE_BLOCKS, LARGEST_BOMB, ENHANCE_YOUR_CALM),
  manyBlocks('small HPACK bombs for ever', SMALL_BOMBS, SMALL_BOMB, ENHANCE_YOUR_CALM),
  oneBlock('table churn', TOO_LARGE, CHURN, TOO_LARGE_ANSWER),
  manyBlocks('table churn of the largest size', LARGE_BLOCKS, LARGE_CHURN, ENHANCE_YOUR_CALM),
  oneBlock('list too large', TOO_LARGE, literal('x', 'y'.repeat(70_000)), ENHANCE_YOUR_CALM),
  oneBlock('endless integer as an index', COMPRESSION_ERROR, repeat(Buffer.of(0xff), 1000)),
  oneBlock(
    'endless integer of zeros',
    COMPRESSION_ERROR,
    Buffer.concat([Buffer.of(0xff), repeat(Buffer.of(0x80), 1000)]),
  ),
  oneBlock(
    'endless integer as a length',
    COMPRESSION_ERROR,
    Buffer.concat([Buffer.of(0, 0x7f), repeat(Buffer.of(0xff), 1000)]),
  ),
  oneBlock('string longer than the block', COMPRESSION_ERROR, Buffer.of(0, 20, 97)),
  oneBlock('Huffman: EOS', COMPRESSION_ERROR, Buffer.of(0, 0x84, 0xff, 0xff, 0xff, 0xff, 0)),
  oneBlock('Huffman: eight bits of padding', COMPRESSION_ERROR, Buffer.of(0, 0x82, 0x1f, 0xff, 0)),
  oneBlock('Huffman: padding of zeros', COMPRESSION_ERROR, Buffer.of(0, 0x81, 0x18, 0)),
  oneBlock('index 0', COMPRESSION_ERROR, Buffer.of(0x80)),
  oneBlock('index behind the table', COMPRESSION_ERROR, integer(100, 7, 0x80)),
  oneBlock('table larger than allowed', COMPRESSION_ERROR, integer(4097, 5, 0x20)),
  oneBlock('size update behind a field', COMPRESSION_ERROR, Buffer.concat([literal('x', 'y'), Buffer.of(0x20)])),
];

const request = (name: string, ...fields: readonly (readonly [string, string])[]): Attack => {
  const { client: _, ...attack } = oneBlock(`request ${name}`, { reset: PROTOCOL_ERROR }, block(...fields));
  return attack;
};
const response = (name: string, ...fields: readonly (readonly [string, string])[]): Attack => {
  const { server: _, ...attack } = oneBlock(`response ${name}`, { reset: PROTOCOL_ERROR }, block(...fields));
  return attack;
};
const CONNECT = [':method', 'CONNECT'] as const;
const AUTHORITY = [':authority', 'echo:1'] as const;

const malformed: readonly Attack[] = [
  request('with :path', CONNECT, AUTHORITY, [':path', '/']),
  request('with :scheme', CONNECT, AUTHORITY, [':scheme', 'https']),
  request('without :authority', CONNECT),
  request('with two :authority', CONNECT, AUTHORITY, AUTHORITY),
  request('with an unknown pseudo-header', CONNECT, AUTHORITY, [':x', '1']),
  request('with a pseudo-header behind others', CONNECT, ['x', '1'], AUTHORITY),
  request('with capitals', CONNECT, AUTHORITY, ['X', '1']),
  request('with a name of no length (CVE-2019-9516)', CONNECT, AUTHORITY, ['', '']),
  request('with connection', CONNECT, AUTHORITY, ['connection', 'close']),
  request('with a line feed', CONNECT, AUTHORITY, ['x', 'a\r\nb: c']),
  response('without :status', ['x', '1']),
  response('with a pseudo-header of requests', [':status', '200'], [':path', '/']),
  response('with two :status', [':status', '200'], [':status', '200']),
  response('with capitals', [':status', '200'], ['X', '1']),
  response('101', [':status', '101']),
];

/** Attacks by header blocks. RFC 9113 6.2, 6.10, 8; RFC 7541 */
export const HEADER_ATTACKS: readonly Attack[] = [
  {
    name: 'CONTINUATION flood (CVE-2024-27316)',
    indivisible: true,
    server: ENHANCE_YOUR_CALM,
    client: ENHANCE_YOUR_CALM,
    unanswered: true,
    run: (stage) => unfinished(stage, [literal('x', 'y')]),
  },
  {
    name: 'CONTINUATION flood of empty ones',
    indivisible: true,
    server: ENHANCE_YOUR_CALM,
    client: ENHANCE_YOUR_CALM,
    unanswered: true,
    run: (stage) => unfinished(stage, [NOTHING]),
  },
  {
    name: 'CONTINUATION flood of large ones',
    indivisible: true,
    server: ENHANCE_YOUR_CALM,
    client: ENHANCE_YOUR_CALM,
    unanswered: true,
    run: (stage) => unfinished(stage, [literal('x', 'y'.repeat(16_000))]),
  },
  {
    name: 'slowloris: a header block octet by octet',
    indivisible: true,
    server: ENHANCE_YOUR_CALM,
    client: ENHANCE_YOUR_CALM,
    unanswered: true,
    run: async (stage) => {
      const id = stage.fresh();
      await stage.peer.send(frame(Type.HEADERS, 0, id));
      for (const octet of connectBlock('echo:1'))
        await stage.peer.send(frame(Type.CONTINUATION, 0, id, Buffer.of(octet)));
    },
  },
  {
    name: 'CONTINUATION on another stream',
    indivisible: true,
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    unanswered: true,
    run: async (stage) => {
      const id = stage.fresh();
      await stage.peer.send(frame(Type.HEADERS, 0, id, stage.message()));
      await stage.peer.send(frame(Type.CONTINUATION, FLAG.END_HEADERS, 1));
    },
  },
  {
    name: 'header block interrupted by PING',
    indivisible: true,
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    unanswered: true,
    run: async (stage) => {
      await stage.peer.send(frame(Type.HEADERS, 0, stage.fresh(), stage.message()), ping());
    },
  },
  {
    name: 'CONTINUATION without HEADERS',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    run: async ({ peer, target }) => {
      await peer.send(frame(Type.CONTINUATION, FLAG.END_HEADERS, target, NOTHING));
    },
  },
  ...compression,
  ...malformed,
];
