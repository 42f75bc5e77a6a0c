/**
 * A peer that writes what it likes: raw frames over real TLS in either role, with the fixtures' certificates. It reads
 * and notes what comes back, or leaves it unread.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { connect, type TLSSocket, TLSSocket as Tls } from 'node:tls';
import { FLAG, frame, PREFACE, SETTING, settingsAck, Type } from './raw-frames.ts';

/** Which end of the connection the hostile peer is. */
export type HostileRole = 'client' | 'server';

/** A GOAWAY that came. */
export interface SeenGoaway {
  readonly last: number;
  readonly code: number;
}

/** How the other side ended the connection, or that it did not. */
export type SeenEnd = 'open' | 'ended' | 'cut';

const HEADER_BYTES = 9;
const DEFAULT_WINDOW_BYTES = 65_535;
/** Long for anything on loopback: who waits longer waits for what never comes. */
const WAIT_MS = 10_000;
/** A flood is written in pieces of about this size. */
const PIECE_BYTES = 65_536;

/** One connection of a hostile peer. */
export class HostilePeer {
  readonly role: HostileRole;
  readonly socket: TLSSocket;
  readonly goaways: SeenGoaway[] = [];
  /** Codes of RST_STREAMs by stream, the last of each. */
  readonly resets = new Map<number, number>();
  /** Header blocks that came, by stream. */
  readonly blocks = new Map<number, number>();
  /** Octets of DATA that came, by stream. */
  readonly received = new Map<number, number>();
  /** Frames that came, by type. */
  readonly frames = new Map<number, number>();
  /** Streams that the other side ended. */
  readonly ended = new Set<number>();
  pongs = 0;
  /** SETTINGS and PINGs are answered as they should be. */
  polite = true;
  /** Octets of DATA of this stream are sent back: the server's part of a neighbour stream. */
  echoing = 0;
  /** Echoes wait: frames are on the way that belong together. */
  holding = false;
  readonly #held: Buffer[] = [];
  /** Called for each header block that came. */
  onBlock: (id: number) => void = () => {};
  /** Octets of DATA that may be sent, by stream; 0 is the connection's. */
  readonly #windows = new Map<number, number>([[0, DEFAULT_WINDOW_BYTES]]);
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #end: SeenEnd = 'open';
  #pending: Buffer = Buffer.alloc(0);
  /** Octets of the preface that have yet to come. */
  #prefaceBytes: number;
  readonly #watchers = new Set<() => void>();

  /** Takes over a socket whose handshake is done. `greeting`: what is sent at once. */
  constructor(role: HostileRole, socket: TLSSocket, greeting: Uint8Array) {
    this.role = role;
    this.socket = socket;
    this.#prefaceBytes = role === 'server' ? PREFACE.length : 0;
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk));
    socket.on('end', () => {
      this.#ended('ended');
      socket.end();
    });
    socket.on('error', () => this.#ended('cut'));
    socket.on('close', () => this.#ended('cut'));
    socket.on('drain', () => this.#notify());
    if (greeting.length > 0) socket.write(greeting);
  }

  get end(): SeenEnd {
    return this.#end;
  }

  /** Sends the echoes that were held. */
  release(): void {
    this.holding = false;
    for (const bytes of this.#held.splice(0)) this.#echo(bytes);
  }

  /** Reads nothing from now on. */
  stopReading(): void {
    this.socket.pause();
  }

  /** Writes frames and waits until the socket has room again; false: the connection is gone. */
  async send(...frames: readonly Uint8Array[]): Promise<boolean> {
    if (this.socket.destroyed || !this.socket.writable) return false;
    this.socket.cork();
    let room = true;
    for (const bytes of frames) room = this.socket.write(bytes);
    this.socket.uncork();
    if (!room) await this.until(() => !this.socket.writableNeedDrain);
    return !this.socket.destroyed;
  }

  /** Sends `times` copies of `unit` (or what it makes of the count) in large pieces until the other side ended. */
  async flood(times: number, unit: Uint8Array | ((index: number) => Uint8Array)): Promise<void> {
    let piece: Uint8Array[] = [];
    let bytes = 0;
    for (let index = 0; index < times && this.#end === 'open'; index++) {
      const next = typeof unit === 'function' ? unit(index) : unit;
      piece.push(next);
      bytes += next.length;
      if (bytes < PIECE_BYTES && index + 1 < times) continue;
      await this.send(Buffer.concat(piece));
      // Something is read between two pieces: a GOAWAY ends the flood.
      await nextTurn();
      piece = [];
      bytes = 0;
    }
  }

  /** Sends octet by octet, each in a TLS record of its own. */
  async dribble(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && this.#end === 'open'; at++) {
      await this.send(bytes.subarray(at, at + 1));
      await nextTurn();
    }
  }

  /** Waits until `met`, or until the connection is gone; rejects when neither comes. */
  async until(met: () => boolean, what = 'condition'): Promise<void> {
    const done = (): boolean => met() || this.#end === 'cut';
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const watcher = (): void => {
        if (done()) settle(resolve);
      };
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        then();
      };
      const timer = setTimeout(() => settle(() => reject(new Error(`${what} never came`))), WAIT_MS);
      this.#watchers.add(watcher);
    });
  }

  /** Octets of DATA that the other side lets us send on the stream. */
  window(id: number): number {
    return Math.min(this.#windows.get(0)!, this.#windows.get(id) ?? this.#streamWindow);
  }

  /** Sends DATA and counts it against the windows, which it does not respect. */
  sendData(id: number, payload: Uint8Array, flags = 0): Promise<boolean> {
    this.#windows.set(0, this.#windows.get(0)! - payload.length);
    this.#windows.set(id, (this.#windows.get(id) ?? this.#streamWindow) - payload.length);
    return this.send(frame(Type.DATA, flags, id, payload));
  }

  /** Sends DATA on an echoing stream and waits for as many octets to come back; false: they never can. */
  async roundTrip(id: number, payload: Uint8Array): Promise<boolean> {
    const before = this.received.get(id) ?? 0;
    const over = (): boolean => this.#end !== 'open' || this.goaways.length > 0;
    await this.until(() => this.window(id) >= payload.length || over(), `window of stream ${id}`);
    await this.sendData(id, payload);
    const arrived = (): boolean => (this.received.get(id) ?? 0) >= before + payload.length;
    await this.until(() => arrived() || over(), `echo of stream ${id}`);
    return arrived();
  }

  /** Ends our side and waits for the other; then nothing is left. */
  async close(): Promise<void> {
    if (this.socket.destroyed) return;
    this.socket.destroy();
    await this.until(() => false);
  }

  #ended(how: SeenEnd): void {
    if (this.#end === 'cut') return;
    this.#end = how;
    this.#notify();
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #arrived(chunk: Buffer): void {
    const skipped = Math.min(this.#prefaceBytes, chunk.length);
    this.#prefaceBytes -= skipped;
    const bytes = chunk.subarray(skipped);
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (this.#pending.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#pending.readUIntBE(0, 3);
      if (this.#pending.length < end) break;
      this.#frame(this.#pending, this.#pending.subarray(HEADER_BYTES, end));
      this.#pending = this.#pending.subarray(end);
    }
    this.#notify();
  }

  #frame(header: Buffer, payload: Buffer): void {
    const type = header[3]!;
    const flags = header[4]!;
    const id = header.readUInt32BE(5) & 0x7fff_ffff;
    count(this.frames, type, 1);
    if (type <= Type.HEADERS && (flags & FLAG.END_STREAM) !== 0) this.ended.add(id);
    switch (type) {
      case Type.DATA:
        count(this.received, id, payload.length);
        if (id === this.echoing) this.#echo(frame(Type.DATA, 0, id, payload));
        break;
      case Type.HEADERS:
        count(this.blocks, id, 1);
        this.onBlock(id);
        break;
      case Type.RST_STREAM:
        this.resets.set(id, payload.readUInt32BE(0));
        break;
      case Type.GOAWAY:
        this.goaways.push({ last: payload.readUInt32BE(0), code: payload.readUInt32BE(4) });
        break;
      case Type.SETTINGS:
        if ((flags & FLAG.ACK) === 0) this.#settings(payload);
        break;
      case Type.WINDOW_UPDATE:
        this.#windows.set(id, (this.#windows.get(id) ?? this.#streamWindow) + payload.readUInt32BE(0));
        break;
      case Type.PING:
        if ((flags & FLAG.ACK) !== 0) this.pongs += 1;
        else if (this.polite) this.socket.write(frame(Type.PING, FLAG.ACK, 0, payload));
        break;
      default:
    }
  }

  #echo(bytes: Buffer): void {
    if (this.holding) this.#held.push(Buffer.from(bytes));
    else if (this.socket.writable) this.socket.write(bytes);
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6)
      if (payload.readUInt16BE(at) === SETTING.INITIAL_WINDOW_SIZE) this.#streamWindow = payload.readUInt32BE(at + 2);
    if (this.polite) this.socket.write(settingsAck());
  }
}

/** Lets I/O happen. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function count(map: Map<number, number>, key: number, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}

/** Not `fixture` of loopback.ts: that one knows the code under test, which an attacker's thread need not load. */
const fixture = (name: string): string => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8');

const certificate = (leaf: string): { ca: string; cert: string; key: string } => ({
  ca: fixture('root.pem'),
  cert: fixture(`${leaf}.pem`),
  key: fixture(`${leaf}.key.pem`),
});

/** A hostile client, once its handshake is done. `greeting`: the preface and SETTINGS if it is polite so far. */
export async function dialHostile(port: number, greeting: Uint8Array = PREFACE): Promise<HostilePeer> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ALPNProtocols: ['h2'],
    ...certificate('client'),
    checkServerIdentity: () => undefined,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  socket.setNoDelay(true);
  return new HostilePeer('client', socket, greeting);
}

/** A hostile server's socket before TLS; `secure` does the handshake. */
export interface HostileAccepted {
  readonly raw: Socket;
  secure(greeting: Uint8Array): Promise<HostilePeer>;
}

/** A server on a free port that leaves each connection to `accepted`. */
export async function listenHostile(
  accepted: (connection: HostileAccepted) => void,
): Promise<{ readonly port: number; close(): void }> {
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
    raw.on('error', () => {});
    accepted({ raw, secure: (greeting) => secureServer(raw, greeting) });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, close: () => server.close() };
}

async function secureServer(raw: Socket, greeting: Uint8Array): Promise<HostilePeer> {
  const tls = { isServer: true, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const socket = new Tls(raw, { ...tls, ...certificate('server') });
  await new Promise<void>((resolve, reject) => {
    socket.once('secure', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
  });
  return new HostilePeer('server', socket, greeting);
}
