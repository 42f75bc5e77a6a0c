import { Flag, FRAME_HEADER_BYTES, FrameType, PAYLOAD_BYTES, readUint24 } from '../core/frame.ts';
import { DEFAULT_WINDOW_BYTES, type Role } from '../core/limits.ts';
import { Behaviour, CodecUser } from './codec-user.ts';
import { demand } from './event-oracle.ts';
import { buildGreeting, cutFrames, type RawFrame } from './frames.ts';
import { Random } from './random.ts';

/** Octets in front of the byte stream: behaviour and the seed of the cuts. */
export const FRAME_STREAM_PREFIX_BYTES = 2;
/** Frames that end behind the input are completed up to here, to see what becomes of their window. */
const MAX_COMPLETED_BYTES = 20_000;
const MAX_PIECE_BYTES = 40;
const pieceMemory = new Uint8Array(MAX_PIECE_BYTES + 2);
/** More than the greeting, and than all frames that one frame makes a `CodecUser` and its codec send. */
const EVENT_OUTPUT_BYTES = 400;
/** hbone.md §2 */
const DEFAULT_CONNECTION_WINDOW_BYTES = 16_777_216;

/**
 * Bytes of a hostile peer into a codec: nothing throws, events are well formed, what we send is well formed, the queue
 * keeps its limit, no window leaks, and any split gives the same events.
 */
export function fuzzFrameStream(role: Role, input: Uint8Array): void {
  const behaviour = input[0] ?? 0;
  const stream = Buffer.concat([
    (behaviour & Behaviour.GREETED) === 0 ? Buffer.alloc(0) : buildGreeting(role),
    input.subarray(FRAME_STREAM_PREFIX_BYTES),
  ]);
  const whole = new CodecUser(role, behaviour);
  whole.push(stream, 0, stream.length);
  const drained = (behaviour & Behaviour.DRAINS) !== 0;
  if (!drained) requireQueueLimit(whole);
  const split = new CodecUser(role, behaviour);
  pushSplit(split, stream, new Random(input[1] ?? 0));
  // What depends on when the windows open or where a reset falls may differ; what the RFC calls an event may not.
  if ((behaviour & (Behaviour.SMALL | Behaviour.RESETS_INSIDE)) === 0) {
    requireSame(split, whole, drained);
  }
  for (const user of [whole, split]) finish(user, stream, role);
}

function pushSplit(user: CodecUser, stream: Uint8Array, random: Random): void {
  const most = 1 + random.below(MAX_PIECE_BYTES);
  for (let at = 0; at < stream.length; ) {
    const bytes = Math.min(stream.length - at, random.below(most + 1));
    // A copy elsewhere with junk around it, lost after: nothing may look beyond its range, or keep it.
    pieceMemory.fill(0xee);
    pieceMemory.set(stream.subarray(at, at + bytes), 1);
    user.push(pieceMemory, 1, 1 + bytes);
    at += bytes;
  }
}

function requireSame(split: CodecUser, whole: CodecUser, drained: boolean): void {
  demand(
    split.log.join('\n') === whole.log.join('\n'),
    `split:\n${split.log.join('\n')}\nwhole:\n${whole.log.join('\n')}`,
  );
  demand(split.oracle.fatalCode === whole.oracle.fatalCode, 'a split changes the connection error');
  if (drained) return;
  split.drain();
  whole.drain();
  demand(Buffer.concat(split.output).equals(Buffer.concat(whole.output)), 'a split changes what is sent');
}

/** Control frames never wait beyond the limit by more than one event's worth of frames. */
function requireQueueLimit(user: CodecUser): void {
  user.drain();
  const waited = user.output.reduce((bytes, { length }) => bytes + length, 0);
  const limit = user.options.maxControlBytes;
  if (limit === undefined) return;
  demand(waited <= limit + EVENT_OUTPUT_BYTES, `${waited} octets of control frames waited`);
}

/** The user lets go of everything: no stream is left, and the peer has its window back. */
function finish(user: CodecUser, stream: Uint8Array, role: Role): void {
  const due = user.oracle.fatalCode === undefined ? incompleteBytes(stream) : 0;
  if (due > 0 && due <= MAX_COMPLETED_BYTES) user.push(new Uint8Array(due), 0, due);
  user.releaseAll();
  user.drain();
  demand(user.codec.openStreams === 0, 'a stream is left');
  const sent = cutFrames(Buffer.concat(user.output));
  demand(sent.rest.length === 0, 'half a control frame');
  for (const frame of sent.frames) requireValidFrame(frame, role);
  if (user.oracle.fatalCode !== undefined || due > MAX_COMPLETED_BYTES) return;
  const full = user.options.connectionWindowBytes ?? DEFAULT_CONNECTION_WINDOW_BYTES;
  const window = DEFAULT_WINDOW_BYTES + granted(sent.frames) - dataBytes(stream);
  demand(window <= full && window > full * 0.75, `${window} octets of ${full} are left of the connection's window`);
}

/** Octets that the last frame of a stream lacks. */
function incompleteBytes(stream: Uint8Array): number {
  const { rest } = cutFrames(stream);
  return rest.length < FRAME_HEADER_BYTES ? 0 : FRAME_HEADER_BYTES + readUint24(rest, 0) - rest.length;
}

function granted(frames: readonly RawFrame[]): number {
  const updates = frames.filter(({ type, id }) => type === FrameType.WINDOW_UPDATE && id === 0);
  return updates.reduce((bytes, { payload }) => bytes + Buffer.from(payload).readUInt32BE(0), 0);
}

/** What the DATA frames of a stream take from the connection's window, the unfinished one included. */
function dataBytes(stream: Uint8Array): number {
  const { frames, rest } = cutFrames(stream);
  const whole = frames.filter(({ type }) => type === FrameType.DATA);
  const unfinished = rest.length >= FRAME_HEADER_BYTES && rest[3] === FrameType.DATA ? readUint24(rest, 0) : 0;
  return whole.reduce((bytes, { payload }) => bytes + payload.length, unfinished);
}

const LENGTHS: ReadonlyMap<number, number> = new Map([
  [FrameType.RST_STREAM, PAYLOAD_BYTES.RST_STREAM],
  [FrameType.PING, PAYLOAD_BYTES.PING],
  [FrameType.GOAWAY, PAYLOAD_BYTES.GOAWAY],
  [FrameType.WINDOW_UPDATE, PAYLOAD_BYTES.WINDOW_UPDATE],
]);
const ON_CONNECTION: ReadonlySet<number> = new Set([FrameType.SETTINGS, FrameType.PING, FrameType.GOAWAY]);
const ON_STREAM: ReadonlySet<number> = new Set([FrameType.HEADERS, FrameType.RST_STREAM]);

function requireValidFrame({ type, flags, id, payload }: RawFrame, role: Role): void {
  const name = `frame of type ${type} on stream ${id}`;
  demand(payload.length === (LENGTHS.get(type) ?? payload.length), `${name} has ${payload.length} octets`);
  if (ON_CONNECTION.has(type)) demand(id === 0, name);
  else if (ON_STREAM.has(type)) demand(id > 0 && (role === 'server' || id % 2 === 1), name);
  else demand(type === FrameType.WINDOW_UPDATE, name);
  if (type === FrameType.HEADERS) demand((flags & Flag.END_HEADERS) !== 0, `${name} without END_HEADERS`);
  if (type === FrameType.WINDOW_UPDATE) demand(Buffer.from(payload).readUInt32BE(0) > 0, `${name} says 0`);
}
