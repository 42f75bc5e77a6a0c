/** Bytes that no honest peer sends, to a live server of tunnels on the reactor: as records of TLS, and as frames inside of it. */
import { readdirSync, readFileSync } from 'node:fs';
import type { ClientConnection, Plain, Secure, ServerStream, TlsOptions } from '@ambientmesh/hbone';
import type { ReactorEngineOptions } from '../engine.ts';
import { TlsLog } from '../testing/tls-log.ts';
import type { Random } from './random.ts';
import { dialTunnels, Pump, ReactorSide, serveTunnels, tlsOf } from './side.ts';

const FRAMES = new URL('../../../hbone/corpus/server/', import.meta.url);
const AT_ONCE = 25;
const RECORD_HEADER_BYTES = 5;
const MOST_RANDOM_BYTES = 3000;
/** Turns that a hostile peer waits before it leaves by itself. */
const MOST_TURNS = 60;
const CONNECT = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
] as const;
const IGNORE = { readable: () => {}, written: () => {}, failed: () => {} };

/** What a hostile peer did, in the end. */
export interface HostileReport {
  readonly attacks: number;
  /** Octets that an honest neighbour has got back meanwhile. */
  readonly echoed: number;
  readonly problems: readonly string[];
}

/** Answers all that a stream brings. */
function echo(stream: ServerStream): void {
  stream.handler = {
    data: (memory, start, end) => {
      stream.send(memory, start, end);
      stream.credit(end - start);
    },
    ended: () => stream.end(),
    writable: () => {},
    failed: () => {},
  };
  stream.respond(200, [], { last: false });
  stream.start();
}

/** Passes what both ends say on, and changes it once told to. */
class Meddler {
  /** Octets of the client that pass before the first is changed. */
  readonly #from: number;
  readonly #random: Random;
  readonly #client: Plain;
  readonly #server: Plain;
  #passed = 0;

  constructor(client: Plain, server: Plain, random: Random) {
    this.#random = random;
    this.#from = random.below(3000);
    this.#client = client;
    this.#server = server;
    this.#join(client, server, (bytes) => this.#meddle(bytes));
    this.#join(server, client, (bytes) => bytes);
  }

  cut(): void {
    this.#client.reset();
    this.#server.reset();
  }

  #join(from: Plain, to: Plain, change: (bytes: Buffer) => Buffer): void {
    const sink = {
      bytes: (memory: Uint8Array, start: number, end: number): void => {
        const bytes = change(Buffer.from(memory.subarray(start, end)));
        to.write(bytes, 0, bytes.length);
      },
    };
    const read = (): void => {
      let bytes = 1;
      while (bytes > 0) bytes = from.read(1 + this.#random.below(20_000), sink);
      if (bytes < 0) to.end();
    };
    from.handler = { ...IGNORE, readable: read, failed: () => to.close() };
    read();
  }

  #meddle(bytes: Buffer): Buffer {
    this.#passed += bytes.length;
    return this.#passed < this.#from ? bytes : mutate(bytes, this.#random);
  }
}

/** Attacks a server, and has an honest client of the same server prove that it lives. */
export class HostileScene {
  readonly side: ReactorSide;
  readonly #pump: Pump;
  readonly #random: Random;
  readonly #problems: string[] = [];
  readonly #server: TlsOptions;
  readonly #seeds: readonly Buffer[];
  readonly #relayed: Plain[] = [];
  #port = 0;
  #relayPort = 0;
  #neighbour: ClientConnection | undefined;
  #sent = 0;
  #echoed = 0;
  #attacks = 0;
  #ping: () => void = () => {};

  constructor(random: Random, options: ReactorEngineOptions = {}) {
    this.side = new ReactorSide({ closeLingerMs: 50, closeStalledMs: 50, maxHandshakes: 10_000, ...options });
    this.#pump = new Pump([this.side]);
    this.#random = random;
    this.#server = tlsOf(this.side.engine, 'hostile');
    this.#seeds = readdirSync(FRAMES).map((name) => readFileSync(new URL(name, FRAMES)));
  }

  async open(): Promise<void> {
    this.#port = await serveTunnels(this.side, { request: echo, closed: () => {} });
    this.#relayPort = await this.side.listen((plain) => this.#relayed.push(plain));
    const neighbour = await this.#pump.wait(dialTunnels(this.side, this.#port), 'the neighbour');
    this.#neighbour = neighbour;
    neighbour.open(CONNECT, {
      response: (stream) => {
        stream.handler = {
          data: (_memory, start, end) => {
            this.#echoed += end - start;
            stream.credit(end - start);
          },
          ended: () => this.#problems.push('the neighbour was ended'),
          writable: () => {},
          failed: () => this.#problems.push('the neighbour was lost'),
        };
        stream.start();
        const text = Buffer.alloc(1000);
        this.#ping = () => {
          stream.send(text, 0, text.length);
          this.#sent += text.length;
        };
      },
      failed: () => this.#problems.push('no neighbour'),
    });
    await this.#proveLife();
  }

  /** Random octets, parts of records, and hellos, in pieces of all sizes. */
  async rawBytes(attacks: number): Promise<void> {
    await this.#each(attacks, async () => {
      const plain = await this.#dial(this.#port);
      plain.handler = IGNORE;
      const text = this.#rawText();
      const single = this.#random.below(3) === 0;
      let at = 0;
      return {
        turn: () => {
          const bytes = single ? 1 : this.#random.size();
          plain.write(text, at, Math.min(text.length, at + bytes));
          at += bytes;
          return at >= text.length;
        },
        leave: () => (this.#random.below(2) === 0 ? plain.reset() : plain.close()),
      };
    });
  }

  /** Handshakes and records of an honest client, changed on the way. */
  async changedRecords(attacks: number): Promise<void> {
    await this.#each(attacks, async () => {
      const toServer = await this.#dial(this.#port);
      const dialled = await this.#dial(this.#relayPort);
      await this.#pump.until(() => this.#relayed.length > 0, 'relayed');
      const meddler = new Meddler(this.#relayed.shift()!, toServer, this.#random);
      const log = new TlsLog();
      const secure = this.side.engine.secureClient(dialled, this.#server, log);
      return {
        turn: () => {
          if (log.has('established') && secure.room > 0) this.#sendPiece(secure, this.#seed());
          return log.failure !== undefined || log.has('ended');
        },
        leave: () => {
          secure.abort();
          meddler.cut();
        },
      };
    });
  }

  /** Frames inside of good TLS. */
  async changedFrames(attacks: number): Promise<void> {
    await this.#each(attacks, async () => {
      const dialled = await this.#dial(this.#port);
      const log = new TlsLog();
      const secure = this.side.engine.secureClient(dialled, this.#server, log);
      const text = this.#random.below(3) === 0 ? this.#seed() : mutate(this.#seed(), this.#random);
      let at = 0;
      return {
        turn: () => {
          if (!log.has('established')) return log.failure !== undefined;
          const end = Math.min(text.length, at + this.#random.size());
          secure.send(text, at, end);
          at = end;
          return at === text.length || log.failure !== undefined || log.has('ended');
        },
        leave: () => (this.#random.below(2) === 0 ? secure.abort() : secure.close()),
      };
    });
  }

  async close(): Promise<HostileReport> {
    const { engine } = this.side;
    await this.#proveLife();
    // The neighbour's two ends, and two listeners.
    await this.#pump.until(() => engine.holdings.descriptors === 4, 'the attackers are gone');
    const problems = [...this.#problems];
    this.#neighbour?.abort();
    this.side.deafen();
    await this.#pump.until(() => Object.values(engine.holdings).every((count) => count === 0), 'all given back');
    this.side.close();
    return { attacks: this.#attacks, echoed: this.#echoed, problems };
  }

  /** Has some attacks at once, until each has said all it has to, or is refused. */
  async #each(attacks: number, begin: () => Promise<Attack>): Promise<void> {
    for (let done = 0; done < attacks; done += AT_ONCE) {
      const live: { readonly attack: Attack; turns: number; done: boolean }[] = [];
      for (let count = 0; count < Math.min(AT_ONCE, attacks - done); count++)
        live.push({ attack: await begin(), turns: 0, done: false });
      this.#attacks += live.length;
      await this.#pump.until(() => {
        for (const one of live) if (!one.done) one.done = one.turns++ > MOST_TURNS || one.attack.turn();
        return live.every((one) => one.done);
      }, 'the attacks');
      await this.#proveLife();
      for (const { attack } of live) attack.leave();
    }
  }

  /** The neighbour gets an answer. */
  async #proveLife(): Promise<void> {
    await this.#pump.until(() => this.#ping !== undefined && this.#neighbour?.streamCount === 1, 'the stream');
    await this.#pump.turn();
    this.#ping();
    await this.#pump.until(() => this.#echoed === this.#sent || this.#problems.length > 0, 'an answer');
  }

  async #dial(port: number): Promise<Plain> {
    return this.#pump.wait(this.side.dial(port), 'connected');
  }

  #seed(): Buffer {
    return this.#seeds[this.#random.below(this.#seeds.length)]!;
  }

  #sendPiece(secure: Secure, text: Buffer): void {
    secure.send(text, 0, Math.min(text.length, this.#random.size()));
  }

  #rawText(): Buffer {
    const random = this.#random;
    const text = Buffer.alloc(1 + random.below(MOST_RANDOM_BYTES));
    for (let at = 0; at < text.length; at++) text[at] = random.below(256);
    if (random.below(3) === 0) return text;
    // A header that makes what follows a record of some type, of a length of its own.
    text[0] = 20 + random.below(5);
    text[1] = 3;
    text[2] = random.below(5);
    if (text.length > RECORD_HEADER_BYTES && random.below(2) === 0)
      text.writeUInt16BE(text.length - RECORD_HEADER_BYTES, 3);
    // ClientHello
    if (text.length > RECORD_HEADER_BYTES) text[RECORD_HEADER_BYTES] = 1;
    return text;
  }
}

interface Attack {
  /** Whether it has done all it does. */
  turn(): boolean;
  leave(): void;
}

/** Changes, takes out, doubles or puts in some octets. */
function mutate(bytes: Buffer, random: Random): Buffer {
  let text = Buffer.from(bytes);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(text.length + 1);
    const length = random.below(40);
    const kind = random.below(4);
    if (kind === 0 && at < text.length) text[at] = random.below(256);
    else if (kind === 1) text = Buffer.concat([text.subarray(0, at), text.subarray(at + length)]);
    else if (kind === 2) text = Buffer.concat([text.subarray(0, at + length), text.subarray(at)]);
    else if (at < text.length) text[at] = text[at]! ^ (1 << random.below(8));
  }
  return text;
}
