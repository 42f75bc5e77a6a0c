/** Connections by the thousand that do all that connections do, and end at any time in any way. */
import { type ByteSink, type Cancellable, END, type Plain, type Secure, type TlsOptions } from '@ambientmesh/hbone';
import { TlsLog } from '../testing/tls-log.ts';
import type { Random } from './random.ts';
import { Pump, ReactorSide, tlsOf } from './side.ts';

/** Turns that an end lives at most. */
const MOST_TURNS = 25;
const TEXT = Buffer.alloc(400_000, 'text');
/** Listeners are made anew after so many: the kernel keeps the ports of those that ended for a while. */
const CONNECTIONS_A_PORT = 10_000;
const FORGET: ByteSink = { bytes: () => {} };
const READ_BYTES = 100_000;
/** A record of 16 KiB: the kernel has it, and never the end of it. */
const HALF_A_RECORD = Buffer.concat([Buffer.of(23, 3, 3, 0x40, 0), Buffer.alloc(300)]);
const CLIENT_HELLO = Buffer.from('16030100b4010000b00303', 'hex');

/** One end, which lives for some turns. */
interface End {
  /** Whether it is over. */
  turn(): boolean;
}

class PlainEnd implements End {
  readonly #plain: Plain;
  readonly #random: Random;
  readonly #echoes: boolean;
  readonly #echo: ByteSink;
  #left: number;
  #gone = false;

  constructor(plain: Plain, random: Random) {
    this.#plain = plain;
    this.#random = random;
    this.#left = random.below(MOST_TURNS);
    this.#echoes = random.below(2) === 0;
    this.#echo = { bytes: (memory, start, end) => plain.write(memory, start, end) };
    const read = (): void => this.#read();
    plain.handler = { readable: read, written: () => {}, failed: () => (this.#gone = true) };
    if (random.below(4) > 0) read();
  }

  turn(): boolean {
    if (this.#gone) return true;
    if (this.#left-- > 0) {
      this.#move();
      return false;
    }
    if (this.#random.below(2) === 0) this.#plain.reset();
    else this.#plain.close();
    return true;
  }

  #move(): void {
    const kind = this.#random.below(8);
    if (kind === 0) this.#plain.end();
    else if (kind === 1) this.#read();
    else if (kind < 5 && this.#plain.queued < TEXT.length) this.#plain.write(TEXT, 0, this.#random.size());
  }

  #read(): void {
    const sink = this.#echoes && this.#plain.queued < READ_BYTES ? this.#echo : FORGET;
    for (let bytes = 1; bytes > 0 && bytes !== END; ) bytes = this.#plain.read(READ_BYTES, sink);
  }
}

class TlsEnd implements End {
  readonly #secure: Secure;
  readonly #log: TlsLog;
  readonly #random: Random;
  #left: number;

  constructor(random: Random, make: (log: TlsLog) => Secure) {
    this.#log = new TlsLog();
    this.#random = random;
    this.#left = random.below(MOST_TURNS);
    this.#secure = make(this.#log);
  }

  turn(): boolean {
    if (this.#log.failure !== undefined) return true;
    if (this.#left-- > 0) {
      this.#move();
      return false;
    }
    // While it writes, too: what is on its way ends in the middle of a record.
    if (this.#random.below(3) === 0 && this.#log.has('established')) this.#secure.send(TEXT, 0, TEXT.length);
    if (this.#random.below(2) === 0) this.#secure.abort();
    else this.#secure.close();
    return true;
  }

  #move(): void {
    const kind = this.#random.below(8);
    if (kind === 0) this.#secure.pause();
    else if (kind === 1) this.#secure.resume();
    else if (kind < 5 && this.#secure.room > 0) this.#secure.send(TEXT, 0, this.#random.size());
  }
}

/** Has nothing of a client of TLS but its first octets. */
class Impostor implements End {
  readonly #plain: Plain;
  readonly #random: Random;
  #at = 0;

  constructor(plain: Plain, random: Random) {
    this.#plain = plain;
    this.#random = random;
    plain.handler = { readable: () => {}, written: () => {}, failed: () => {} };
  }

  turn(): boolean {
    const text = this.#random.below(3) === 0 ? HALF_A_RECORD : CLIENT_HELLO;
    const bytes = this.#random.below(text.length - this.#at + 1);
    if (this.#at < CLIENT_HELLO.length) this.#plain.write(text, this.#at, this.#at + bytes);
    this.#at += bytes;
    if (this.#at < CLIENT_HELLO.length) return false;
    if (this.#random.below(2) === 0) this.#plain.reset();
    else this.#plain.close();
    return true;
  }
}

/** Dials, and ends of it what there is. */
class Dialling implements End {
  readonly #cancellable: Cancellable;
  readonly #random: Random;
  #next: End | undefined;
  #failed = false;

  constructor(side: ReactorSide, port: number, random: Random, connected: (plain: Plain) => End) {
    this.#random = random;
    this.#cancellable = side.connect(port, {
      connected: (plain) => (this.#next = connected(plain)),
      failed: () => (this.#failed = true),
    });
  }

  turn(): boolean {
    if (this.#failed) return true;
    if (this.#next !== undefined) return this.#next.turn();
    if (this.#random.below(20) > 0) return false;
    this.#cancellable.cancel();
    return true;
  }
}

/** What happened, in the end. */
export interface CrowdReport {
  readonly connections: number;
  readonly accepted: number;
  readonly ms: number;
}

/** Both ends of connections, on one reactor. */
export class Crowd {
  readonly side = new ReactorSide({ closeLingerMs: 100, closeStalledMs: 100, maxHandshakes: 10_000 });
  readonly #pump = new Pump([this.side]);
  readonly #random: Random;
  readonly #tls: { readonly client: TlsOptions; readonly server: TlsOptions };
  #live: End[] = [];
  #accepted = 0;

  constructor(random: Random) {
    this.#random = random;
    const { engine } = this.side;
    this.#tls = { client: tlsOf(engine, 'client'), server: tlsOf(engine, 'server') };
  }

  /** Makes `connections`, `atOnce` at a time, and has all of them end. */
  async run(connections: number, atOnce: number): Promise<CrowdReport> {
    const start = performance.now();
    this.#accepted = 0;
    for (let begun = 0; begun < connections; begun += CONNECTIONS_A_PORT)
      await this.#runPart(Math.min(CONNECTIONS_A_PORT, connections - begun), atOnce);
    return { connections, accepted: this.#accepted, ms: performance.now() - start };
  }

  close(): void {
    this.#tls.client.credentials.close?.();
    this.#tls.server.credentials.close?.();
    this.side.close();
  }

  async #runPart(connections: number, atOnce: number): Promise<void> {
    const { engine } = this.side;
    const ports = { plain: await this.#listen(false), tls: await this.#listen(true) };
    let begun = 0;
    const step = (): void => {
      // Both ends count.
      for (; begun < connections && this.#live.length < 2 * atOnce; begun++) this.#begin(ports);
      this.#live = this.#live.filter((end) => !end.turn());
    };
    await this.#pump.until(
      () => {
        engine.atEndOfTurn(step);
        return begun === connections && this.#live.length === 0 && engine.holdings.descriptors === 2;
      },
      'all ends',
      () => begun + this.#live.length,
    );
    this.side.deafen();
    const empty = (): boolean => Object.values(engine.holdings).every((count) => count === 0);
    await this.#pump.until(empty, `nothing held: ${JSON.stringify(engine.holdings)}`);
  }

  async #listen(tls: boolean): Promise<number> {
    return this.side.listen((plain) => {
      this.#accepted++;
      this.#live.push(
        tls
          ? new TlsEnd(this.#random, (log) => this.side.engine.secureServer(plain, this.#tls.server, log))
          : new PlainEnd(plain, this.#random),
      );
    });
  }

  #begin(ports: { readonly plain: number; readonly tls: number }): void {
    const random = this.#random;
    const kind = random.below(10);
    const connected = (plain: Plain): End => {
      if (kind < 3) return new PlainEnd(plain, random);
      if (kind === 3) return new Impostor(plain, random);
      return new TlsEnd(random, (log) => this.side.engine.secureClient(plain, this.#tls.client, log));
    };
    this.#live.push(new Dialling(this.side, kind < 3 ? ports.plain : ports.tls, random, connected));
  }
}
