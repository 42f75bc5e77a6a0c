import { ErrorCode } from '../core/error-code.ts';
import {
  connectBlock,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  PREFACE,
  priority,
  rstStream,
  SETTING,
  settings,
  settingsAck,
  Type,
  uint32,
  windowUpdate,
} from '../testing/raw-frames.ts';
import type { Attack, Stage, Verdict } from './attack.ts';

const { FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } = ErrorCode;
const IDLE = 1001;
const EVEN = 2;
const HIGHEST_ID = 0x7fff_ffff;
const NOTHING = Buffer.alloc(0);
const ONE = Buffer.alloc(1);

type Frames = (stage: Stage) => readonly Uint8Array[];

/** The same frames against both sides. */
function both(name: string, verdict: Verdict, frames: Frames): Attack {
  return {
    name,
    server: verdict,
    client: verdict,
    run: async (stage) => void (await stage.peer.send(...frames(stage))),
  };
}

function against(side: 'server' | 'client', name: string, verdict: Verdict, frames: Frames): Attack {
  return { name, [side]: verdict, run: async (stage) => void (await stage.peer.send(...frames(stage))) };
}

const states: readonly Attack[] = [
  both('DATA on an idle stream', PROTOCOL_ERROR, () => [data(IDLE, ONE)]),
  both('RST_STREAM on an idle stream', PROTOCOL_ERROR, () => [rstStream(IDLE, 0)]),
  both('WINDOW_UPDATE on an idle stream', PROTOCOL_ERROR, () => [windowUpdate(IDLE, 1)]),
  both('PRIORITY on an idle stream', 'survives', () => [priority(IDLE)]),
  both('DATA on an even stream', PROTOCOL_ERROR, () => [data(EVEN, ONE)]),
  both('HEADERS on an even stream', PROTOCOL_ERROR, (stage) => [headers(EVEN, stage.message())]),
  against('client', 'HEADERS on an idle stream', PROTOCOL_ERROR, (stage) => [headers(IDLE, stage.message())]),
  {
    name: 'DATA on a half-closed stream',
    server: { reset: STREAM_CLOSED },
    client: { reset: STREAM_CLOSED },
    application: 'stall',
    run: async ({ peer, target }) => void (await peer.send(data(target, NOTHING, FLAG.END_STREAM), data(target, ONE))),
  },
  {
    name: 'HEADERS on a half-closed stream',
    server: { reset: STREAM_CLOSED },
    client: { reset: STREAM_CLOSED },
    application: 'stall',
    run: async (stage) => {
      const { peer, target } = stage;
      await peer.send(data(target, NOTHING, FLAG.END_STREAM), headers(target, stage.message(), FLAG.END_STREAM));
    },
  },
  {
    name: 'DATA on a closed stream',
    server: { reset: STREAM_CLOSED },
    client: { reset: STREAM_CLOSED },
    run: async ({ peer, target }) => {
      await peer.send(data(target, NOTHING, FLAG.END_STREAM));
      await peer.until(() => peer.ended.has(target), 'END_STREAM');
      await peer.send(data(target, ONE));
    },
  },
  {
    name: 'WINDOW_UPDATE, RST_STREAM and PRIORITY on a closed stream',
    server: 'survives',
    client: 'survives',
    run: async ({ peer, target }) => {
      await peer.send(data(target, NOTHING, FLAG.END_STREAM));
      await peer.until(() => peer.ended.has(target), 'END_STREAM');
      await peer.send(windowUpdate(target, 1), rstStream(target, 0), priority(target));
    },
  },
  {
    name: 'trailers on a tunnel',
    server: { reset: PROTOCOL_ERROR },
    client: { reset: PROTOCOL_ERROR },
    run: async ({ peer, target }) => void (await peer.send(headers(target, NOTHING, FLAG.END_STREAM))),
  },
  against('server', 'request below the last one', PROTOCOL_ERROR, (stage) => [
    headers(IDLE, stage.message()),
    headers(IDLE - 2, stage.message()),
  ]),
  {
    name: 'request on a closed stream',
    server: STREAM_CLOSED,
    run: async (stage) => {
      const { peer, target } = stage;
      await peer.send(data(target, NOTHING, FLAG.END_STREAM));
      await peer.until(() => peer.ended.has(target), 'END_STREAM');
      await peer.send(headers(target, stage.message()));
    },
  },
  both('more settings than there are', ErrorCode.ENHANCE_YOUR_CALM, () => [
    settings(...Array.from({ length: 100 }, (_, index) => [0x100 + index, 0] as const)),
  ]),
  both('SETTINGS acknowledged twice', PROTOCOL_ERROR, () => [settingsAck(), settingsAck()]),
  both('PUSH_PROMISE', PROTOCOL_ERROR, (stage) => [
    frame(Type.PUSH_PROMISE, FLAG.END_HEADERS, stage.target, Buffer.concat([uint32(EVEN), connectBlock('x:1')])),
  ]),
  both('ENABLE_PUSH of 2', PROTOCOL_ERROR, () => [settings([SETTING.ENABLE_PUSH, 2])]),
  against('client', 'ENABLE_PUSH from a server', PROTOCOL_ERROR, () => [settings([SETTING.ENABLE_PUSH, 1])]),
  both('MAX_FRAME_SIZE of 1', PROTOCOL_ERROR, () => [settings([SETTING.MAX_FRAME_SIZE, 1])]),
];

const lengths: readonly Attack[] = [
  ...[
    { name: 'RST_STREAM', type: Type.RST_STREAM, sizes: [0, 3, 5], zero: false },
    { name: 'PING', type: Type.PING, sizes: [0, 7, 9], zero: true },
    { name: 'WINDOW_UPDATE', type: Type.WINDOW_UPDATE, sizes: [0, 3, 5], zero: true },
    { name: 'SETTINGS', type: Type.SETTINGS, sizes: [5, 7], zero: true },
    { name: 'GOAWAY', type: Type.GOAWAY, sizes: [0, 7], zero: true },
  ].flatMap(({ name, type, sizes, zero }) =>
    sizes.map((size) =>
      both(`${name} of ${size} octets`, FRAME_SIZE_ERROR, ({ target }) => [
        frame(type, 0, zero ? 0 : target, Buffer.alloc(size)),
      ]),
    ),
  ),
  ...[4, 6].map((size) =>
    both(`PRIORITY of ${size} octets`, { reset: FRAME_SIZE_ERROR }, ({ target }) => [
      frame(Type.PRIORITY, 0, target, Buffer.alloc(size)),
    ]),
  ),
  both('SETTINGS ACK with a payload', FRAME_SIZE_ERROR, () => [frame(Type.SETTINGS, FLAG.ACK, 0, Buffer.alloc(6))]),
  both('padded DATA without a pad length', FRAME_SIZE_ERROR, ({ target }) => [data(target, NOTHING, FLAG.PADDED)]),
  both('DATA with more padding than payload', PROTOCOL_ERROR, ({ target }) => [
    data(target, Buffer.of(5, 0, 0), FLAG.PADDED),
  ]),
  both('HEADERS with more padding than payload', PROTOCOL_ERROR, ({ target }) => [
    headers(target, Buffer.of(200, 0), FLAG.PADDED),
  ]),
  // Only its header: the rest need not come.
  both('frame larger than allowed', FRAME_SIZE_ERROR, ({ target }) => [
    Buffer.concat([Buffer.of(0x10, 0, 1), frame(Type.DATA, 0, target).subarray(3)]),
  ]),
  both('largest frame of an unknown type', FRAME_SIZE_ERROR, () => [
    Buffer.concat([Buffer.of(0xff, 0xff, 0xff), frame(Type.UNKNOWN, 0, 0).subarray(3)]),
  ]),
];

const STREAM_FRAMES = [
  { name: 'DATA', type: Type.DATA, size: 1 },
  { name: 'HEADERS', type: Type.HEADERS, size: 1 },
  { name: 'PRIORITY', type: Type.PRIORITY, size: 5 },
  { name: 'RST_STREAM', type: Type.RST_STREAM, size: 4 },
  { name: 'CONTINUATION', type: Type.CONTINUATION, size: 1 },
  { name: 'PUSH_PROMISE', type: Type.PUSH_PROMISE, size: 5 },
] as const;
const CONNECTION_FRAMES = [
  { name: 'SETTINGS', type: Type.SETTINGS, size: 0 },
  { name: 'PING', type: Type.PING, size: 8 },
  { name: 'GOAWAY', type: Type.GOAWAY, size: 8 },
] as const;

const streams: readonly Attack[] = [
  ...STREAM_FRAMES.map(({ name, type, size }) =>
    both(`${name} on stream 0`, PROTOCOL_ERROR, () => [
      frame(type, type === Type.HEADERS ? FLAG.END_HEADERS : 0, 0, Buffer.alloc(size)),
    ]),
  ),
  ...CONNECTION_FRAMES.map(({ name, type, size }) =>
    both(`${name} on a stream`, PROTOCOL_ERROR, ({ target }) => [frame(type, 0, target, Buffer.alloc(size))]),
  ),
];

const preface = (role: 'client' | 'server'): Buffer => (role === 'client' ? PREFACE : NOTHING);

const goaways: readonly Attack[] = [
  {
    name: 'GOAWAY before SETTINGS',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    bare: true,
    run: async ({ peer }) => void (await peer.send(preface(peer.role), goaway(0, NO_ERROR))),
  },
  both('GOAWAY with open streams', 'survives', () => [goaway(HIGHEST_ID, NO_ERROR)]),
  both('GOAWAY twice', 'survives', () => [goaway(HIGHEST_ID, NO_ERROR), goaway(HIGHEST_ID, NO_ERROR)]),
  both('GOAWAY with an error, streams go on', 'survives', () => [goaway(HIGHEST_ID, ErrorCode.INTERNAL_ERROR)]),
  against('client', 'GOAWAY below a stream, then DATA on it (CVE-2026-48937)', 'survives', ({ target }) => [
    goaway(1, NO_ERROR),
    data(target, ONE),
    windowUpdate(target, 1),
  ]),
  both('GOAWAY whose last id grows', PROTOCOL_ERROR, () => [
    goaway(HIGHEST_ID - 2, NO_ERROR),
    goaway(HIGHEST_ID, NO_ERROR),
  ]),
  both('GOAWAY with much debug data', 'survives', () => [
    frame(Type.GOAWAY, 0, 0, Buffer.concat([uint32(HIGHEST_ID), Buffer.alloc(200_000)])),
  ]),
  {
    name: 'GOAWAY, then a request',
    server: 'survives',
    run: async (stage) => {
      const id = stage.fresh();
      await stage.peer.send(goaway(0, NO_ERROR), headers(id, stage.message()));
      await stage.peer.until(() => stage.peer.blocks.has(id), 'answer');
    },
  },
];

const garbage: readonly Attack[] = [
  {
    name: 'no HTTP/2 inside TLS',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    bare: true,
    run: async ({ peer }) => void (await peer.send(Buffer.alloc(4096, 'garbage'))),
  },
  {
    name: 'HTTP/1.1 inside TLS',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    bare: true,
    run: async ({ peer }) => {
      const line = peer.role === 'client' ? 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' : 'HTTP/1.1 400 Bad Request\r\n\r\n';
      await peer.send(Buffer.from(line));
    },
  },
  {
    name: 'first frame is no SETTINGS',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    bare: true,
    run: async ({ peer }) => void (await peer.send(preface(peer.role), windowUpdate(0, 1))),
  },
  {
    name: 'slow dribble: a record and a frame an octet',
    server: 'survives',
    client: 'survives',
    indivisible: true,
    run: async ({ peer, target }) => {
      for (let turn = 0; turn < 20; turn++) await peer.dribble(data(target, ONE));
    },
  },
];

/** Attacks by frames out of place. RFC 9113 4.2, 5.1, 6 */
export const STATE_ATTACKS: readonly Attack[] = [...states, ...lengths, ...streams, ...goaways, ...garbage];
