/** What our codec and nghttp2 (of the Node that runs) answer to the same frames, as text to compare. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import { connect, type Server, type Socket } from 'node:net';
import { Codec } from '../core/codec.ts';
import { ErrorCode } from '../core/error-code.ts';
import { EventRecorder } from '../core/event-recorder.ts';
import { FrameType, readUint32 } from '../core/frame.ts';
import { MIN_CONTROL_ROOM_BYTES, type Role } from '../core/limits.ts';
import { CONNECT, frame, headers, OK } from '../core/testing/frames.ts';
import { buildGreeting, cutFrames } from './frames.ts';

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

/** Frames, and what either end answers to them. */
export interface Row {
  readonly rule: string;
  readonly frames: readonly Uint8Array[];
  /** What our codec answers; what nghttp2 answers as well if there is no `differs`. */
  readonly answer: string;
  /** What nghttp2 answers, and why we do not. */
  readonly differs?: readonly [answer: string, why: string];
  /** The frames are all there is: no greeting. */
  readonly raw?: boolean;
}

/** Errors that our codec answers. Stream 1 is open. */
export function answerOfOurs(role: Role, bytes: Uint8Array): string {
  const recorder = new EventRecorder();
  const codec = new Codec(role, recorder, OPTIONS);
  recorder.headers = (id) => (role === 'server' ? codec.respond(id, OK, false) : undefined);
  if (role === 'client') codec.request(CONNECT);
  codec.push(bytes, 0, bytes.length);
  const memory = Buffer.alloc(2 * MIN_CONTROL_ROOM_BYTES);
  return errorsIn(memory.subarray(0, codec.control(memory, 0, memory.length)));
}

/** The bytes of a row, ending in a PING whose answer says that everything was read. */
export function bytesOf(role: Role, { frames, raw }: Row): Buffer {
  const greeting = raw === true ? [] : [buildGreeting(role), ...(role === 'server' ? [headers(1, CONNECT)] : [])];
  return Buffer.concat([...greeting, ...frames, frame(FrameType.PING, 0, 0, MARK)]);
}

/** Everything that a peer sends up to the answer of the PING, a GOAWAY or its end. */
export async function readAnswer(socket: Socket): Promise<string> {
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

/** The port it listens on. */
export function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

/** A server of `node:http2` that answers every request with 200. */
export class NodeAnswers implements Disposable {
  readonly #server = createServer();

  /** What it answers to `bytes` on a connection of their own. Listens with the first. */
  async of(bytes: Uint8Array): Promise<string> {
    if (!this.#server.listening) await this.#listen();
    const socket = connect(portOf(this.#server), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes);
    const answer = await readAnswer(socket);
    socket.destroy();
    return answer;
  }

  [Symbol.dispose](): void {
    this.#server.close();
  }

  async #listen(): Promise<void> {
    this.#server.on('sessionError', () => {});
    this.#server.on('session', (session) => session.on('error', () => {}));
    this.#server.on('stream', (stream) => {
      stream.on('error', () => {});
      if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': 200 });
    });
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }
}
