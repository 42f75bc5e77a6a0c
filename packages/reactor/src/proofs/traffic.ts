/** Applications that talk through a tunnel, each with sizes, stalls and ends of its own; all they say is digested. */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type ClientConnection, type Plain, TunnelRelay, type TunnelStream } from '@ambientmesh/hbone';
import type { Random } from './random.ts';
import { dialTunnels, Pump, type Side, serveTunnels } from './side.ts';

const MOST_STALL_TURNS = 30;
/** What every application sends is a part of this, from a place of its own on. */
const TEXT = Buffer.alloc(4_194_304);
for (let at = 0, value = 1; at < TEXT.length; at++) {
  value = (value * 48_271) % 2_147_483_647;
  TEXT[at] = value >>> 8;
}
/** Of a hundred applications so many are reset or destroyed in the middle. */
const RUDE_PERCENT = 10;
const NOBODY = { fromFirst: () => {}, fromSecond: () => {} };

export interface TrafficOptions {
  readonly random: Random;
  readonly client: Side;
  readonly server: Side;
  /** Of all applications together. */
  readonly bytes: number;
  readonly atOnce: number;
  /** On average, of one application. */
  readonly bytesEach: number;
  /** How long nothing may happen. */
  readonly deadlineMs?: number;
}

export interface Traffic {
  readonly conversations: number;
  readonly rude: number;
  readonly bytes: number;
  readonly ms: number;
  readonly problems: readonly string[];
}

/** One application: sends what it has to, reads, and stalls now and then. */
class Application {
  readonly socket: Socket;
  rude = false;
  sawEnd = false;
  closed = false;
  sent = 0;
  received = 0;
  readonly sentHash = createHash('sha256');
  readonly receivedHash = createHash('sha256');
  readonly #random: Random;
  #at: number;
  #left: number;
  #stalled = 0;
  readonly #rudeAt: number;
  #flowing = false;
  #full = false;

  constructor(socket: Socket, random: Random, bytes: number) {
    this.socket = socket;
    this.#random = random;
    this.#at = random.below(TEXT.length);
    this.#left = bytes;
    this.#rudeAt = random.below(100) < RUDE_PERCENT ? random.below(bytes + 1) : -1;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.receivedHash.update(chunk);
    });
    socket.pause();
    socket.on('drain', () => (this.#full = false));
    socket.on('end', () => (this.sawEnd = true));
    socket.on('close', () => (this.closed = true));
  }

  /** `met`: the other application is there. Before, a reset would be one of a connection that nobody has accepted. */
  turn(met: boolean): void {
    if (this.socket.destroyed) return;
    this.#read();
    if (met && this.#rudeAt >= 0 && this.received + this.sent >= this.#rudeAt) return this.#leave();
    for (let writes = 0; writes < 8 && !this.#full && this.#left > 0; writes++) this.#write();
    if (this.#left === 0) this.#end();
  }

  describe(): string {
    const { rude, sent, received, sawEnd, closed } = this;
    return JSON.stringify({ rude, sent, received, sawEnd, closed, left: this.#left, full: this.#full });
  }

  #read(): void {
    if (this.#stalled > 0) this.#stalled--;
    else if (!this.#flowing) {
      this.#flowing = true;
      this.socket.resume();
    } else if (this.#random.below(200) === 0) {
      this.#flowing = false;
      this.#stalled = this.#random.below(MOST_STALL_TURNS);
      this.socket.pause();
    }
  }

  #write(): void {
    const bytes = Math.min(this.#left, this.#random.size(), TEXT.length - this.#at);
    const chunk = TEXT.subarray(this.#at, this.#at + bytes);
    this.#at = (this.#at + bytes) % TEXT.length;
    this.#left -= bytes;
    this.sent += bytes;
    this.sentHash.update(chunk);
    this.#full = !this.socket.write(chunk);
  }

  #end(): void {
    this.#left = -1;
    this.socket.end();
  }

  #leave(): void {
    this.rude = true;
    if (this.#left >= 0 && this.#random.below(2) === 0) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}

/** Two applications. */
interface Conversation {
  readonly near: Application;
  far: Application | undefined;
  finished: number;
}

class Scene {
  readonly pump: Pump;
  readonly problems: string[] = [];
  readonly live = new Map<string, Conversation>();
  conversations = 0;
  rude = 0;
  bytes = 0;
  begun = 0;
  readonly #options: TrafficOptions;
  readonly #farPlains = new Map<number, Conversation>();
  readonly #farSockets = new Map<number, Socket>();
  #nearPort = 0;
  #farPort = 0;
  #tunnel: ClientConnection | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.pump = new Pump([...new Set([options.client, options.server])], options.deadlineMs);
  }

  async open(): Promise<() => void> {
    const { client, server } = this.#options;
    const far = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      this.#farSockets.set(socket.remotePort ?? 0, socket);
      this.#meet();
    });
    far.listen(0, '127.0.0.1');
    await once(far, 'listening');
    const address = far.address();
    this.#farPort = typeof address === 'object' && address !== null ? address.port : 0;
    const aborts: (() => void)[] = [];
    const tunnelPort = await serveTunnels(
      server,
      {
        request: (stream, { authority }) => {
          stream.respond(200, [], { last: false });
          void this.#forward(stream, authority).catch((error: unknown) => this.problems.push(String(error)));
        },
        closed: () => {},
      },
      (connection) => aborts.push(() => connection.abort()),
    );
    this.#tunnel = await this.pump.wait(dialTunnels(client, tunnelPort), 'the tunnel');
    this.#nearPort = await client.listen((plain) => this.#enter(plain));
    return () => {
      this.#tunnel?.abort();
      for (const abort of aborts) abort();
      far.close();
    };
  }

  begin(): void {
    const { random, bytesEach } = this.#options;
    const socket = connect({ port: this.#nearPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const near = new Application(socket, random, random.below(2 * bytesEach));
    this.begun++;
    socket.once('connect', () => {
      const key = `10.0.0.1:${socket.localPort}`;
      if (this.live.has(key)) this.problems.push(`port ${socket.localPort} twice`);
      this.live.set(key, { near, far: undefined, finished: 0 });
    });
  }

  turn(): void {
    for (const [key, conversation] of this.live) {
      const { near, far } = conversation;
      near.turn(far !== undefined);
      far?.turn(true);
      const over = near.closed && far?.closed === true && conversation.finished === 2;
      if (!over) continue;
      this.live.delete(key);
      this.#judge(near, far);
    }
  }

  /** What is not over. */
  describe(): readonly string[] {
    const lines = [`${this.begun - this.conversations} are not over, ${this.live.size} connected`];
    for (const [authority, { near, far, finished }] of this.live)
      lines.push(`${authority} finished ${finished}: ${near.describe()} | ${far?.describe() ?? 'nobody'}`);
    return lines;
  }

  #enter(plain: Plain): void {
    const authority = `10.0.0.1:${plain.remote.port}`;
    const stream = this.#tunnel?.open(
      [
        [':method', 'CONNECT'],
        [':authority', authority],
      ],
      {
        response: (opened) => this.#relay(opened, plain, 'plain', authority),
        failed: (failure) => this.problems.push(`no stream: ${JSON.stringify(failure)}`),
      },
    );
    if (stream === undefined) this.problems.push('the tunnel takes no stream');
  }

  async #forward(stream: TunnelStream, authority: string): Promise<void> {
    const plain = await this.#options.server.dial(this.#farPort);
    this.#relay(stream, plain, 'stream', authority);
    const conversation = this.live.get(authority);
    if (conversation === undefined) return;
    this.#farPlains.set(plain.local.port, conversation);
    this.#meet();
  }

  #relay(stream: TunnelStream, plain: Plain, first: 'plain' | 'stream', authority: string): void {
    const conversation = this.live.get(authority);
    const finished = (): void => {
      if (conversation !== undefined) conversation.finished++;
    };
    void new TunnelRelay({ stream, plain, first, observer: { ...NOBODY, finished } });
  }

  /** Finds out whose the sockets are that were accepted. */
  #meet(): void {
    const { random, bytesEach } = this.#options;
    for (const [port, conversation] of this.#farPlains) {
      const socket = this.#farSockets.get(port);
      if (socket === undefined) continue;
      this.#farPlains.delete(port);
      this.#farSockets.delete(port);
      conversation.far = new Application(socket, random, random.below(2 * bytesEach));
    }
  }

  #judge(near: Application, far: Application | undefined): void {
    this.conversations++;
    this.bytes += near.received + (far?.received ?? 0);
    if (near.rude || far === undefined || far.rude) {
      this.rude++;
      if (far !== undefined && (far.received > near.sent || near.received > far.sent)) this.problems.push('too much');
      return;
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      if (!to.sawEnd) this.problems.push(`no end after ${to.received} of ${from.sent}`);
      if (hex(from.sentHash) !== hex(to.receivedHash))
        this.problems.push(`${to.received} of ${from.sent}: other bytes`);
    }
  }
}

/** Has applications talk until `bytes` were received, and all have ended. */
export async function runTraffic(options: TrafficOptions): Promise<Traffic> {
  const scene = new Scene(options);
  const close = await scene.open();
  const start = performance.now();
  let more = true;
  const step = (): boolean => {
    more &&= scene.bytes < options.bytes && scene.problems.length === 0;
    if (more) for (let live = scene.begun - scene.conversations; live < options.atOnce; live++) scene.begin();
    scene.turn();
    return !more && (scene.begun === scene.conversations || scene.problems.length > 0);
  };
  const progress = (): number => {
    let bytes = scene.bytes;
    for (const { near, far } of scene.live.values()) bytes += near.received + (far?.received ?? 0);
    return bytes;
  };
  try {
    await scene.pump.until(step, 'all conversations', progress);
  } catch (error) {
    scene.problems.push(String(error), ...scene.describe());
  }
  close();
  const { conversations, rude, bytes, problems } = scene;
  return { conversations, rude, bytes, problems, ms: performance.now() - start };
}

function hex(hash: Hash): string {
  return hash.digest('hex');
}
