import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createFakeClockEngine, type FakeClockEngine } from '../testing/fake-clock.ts';
import { dialTunnelClient, openDescriptors } from '../testing/loopback.ts';
import type { Attack, Report } from './attack.ts';
import { AttackedClient } from './attacked-client.ts';
import { AttackedServer } from './attacked-server.ts';
import { AttackerThread } from './attacker-thread.ts';
import { ATTACKS } from './attacks.ts';
import { Neighbour, type Stall } from './neighbour.ts';

/** What a peer that does not read our GOAWAY has until it is cut (`Link`). */
const DISMISSAL_MS = 2000;
/** hbone.md §2 */
const MAX_STREAMS = 200;
const WAIT_MS = 10_000;
const POLL_MS = 1;
/** What one attack may make the process hold, unless it says otherwise: its sockets' and TLS buffers, its sessions. */
const HELD_BYTES = 8_388_608;
/** A machine that does other things, a garbage collection: an attack that stalls a neighbour takes far longer. */
const LONGEST_STALL_MS = 50;

/** What came of one attack. */
export interface Outcome {
  readonly report: Report;
  /** How our end saw the connection end; `open` if it did not. */
  readonly end: string;
  /** What the neighbour connection went through meanwhile. */
  readonly stall: Stall;
  /** Octets held at the attack's end, with its connection still there if it survived; collected garbage not counted. */
  readonly heldBytes: number;
  /** Most dials of applications at once. */
  readonly dials: number;
  /** Why the neighbour stream of our client failed. */
  readonly neighbourFailure?: string;
}

/** A process under attack: our server, a neighbour on it, and a thread that attacks. */
export class Arena {
  readonly #undos: (() => void)[];
  readonly #engine: FakeClockEngine;
  readonly #server: AttackedServer;
  readonly #neighbour: Neighbour;
  readonly #attacker: AttackerThread;
  readonly #exact: boolean;
  readonly #lastingUndos: number;
  #baseBytes = 0;

  /** `exact`: garbage is collected before every measurement of memory. */
  static async open(exact = false): Promise<Arena> {
    const undos: (() => void)[] = [];
    const cleanup = (undo: () => void): void => void undos.push(undo);
    const engine = createFakeClockEngine();
    const server = await AttackedServer.listen(engine, cleanup);
    const neighbour = await Neighbour.open(await dialTunnelClient(engine, server.port, cleanup));
    const arena = new Arena({ undos, engine, server, neighbour, exact });
    await arena.#warmUp();
    return arena;
  }

  /** Use `open`. */
  constructor(parts: {
    readonly undos: (() => void)[];
    readonly engine: FakeClockEngine;
    readonly server: AttackedServer;
    readonly neighbour: Neighbour;
    readonly exact: boolean;
  }) {
    this.#undos = parts.undos;
    this.#engine = parts.engine;
    this.#server = parts.server;
    this.#neighbour = parts.neighbour;
    this.#exact = parts.exact;
    this.#lastingUndos = parts.undos.length;
    this.#attacker = new AttackerThread();
  }

  /** Nothing happens but round trips of the neighbour. */
  async rest(roundTrips: number): Promise<Stall> {
    this.#neighbour.measure();
    for (let count = 0; count < roundTrips; count++) await this.#neighbour.roundTrip();
    return this.#neighbour.measure();
  }

  /** Plays `attack` against our server or our client. */
  async play(attack: Attack, side: 'server' | 'client', factor = 1): Promise<Outcome> {
    const descriptors = openDescriptors();
    const timers = this.#engine.timerCount;
    const { roundTrips } = this.#neighbour.measure();
    this.#server.takeMostDials();
    const seen =
      side === 'server' ? await this.#againstServer(attack, factor) : await this.#againstClient(attack, factor);
    await this.#neighbour.roundTrip();
    const stall = this.#neighbour.measure();
    const heldBytes = await this.#held(attack.heldBytes ?? HELD_BYTES);
    await this.#attacker.finish();
    const left = (): string =>
      `${openDescriptors() - descriptors} descriptors, ${this.#engine.timerCount - timers} timers`;
    await until(() => {
      this.#server.endApplications();
      return openDescriptors() <= descriptors && this.#engine.timerCount <= timers;
    }, left);
    // What was to be undone is over, and would be kept alive by it.
    for (const undo of this.#undos.splice(this.#lastingUndos)) undo();
    return {
      ...seen,
      stall: { ...stall, roundTrips: stall.roundTrips - roundTrips },
      heldBytes,
      dials: this.#server.takeMostDials(),
    };
  }

  /** Ends everything; a neighbour that failed is an error. */
  async close(): Promise<void> {
    const { failure } = this.#neighbour;
    this.#neighbour.stop();
    await this.#attacker.terminate();
    for (const undo of this.#undos.splice(0).toReversed()) undo();
    if (failure !== undefined) throw new Error(`neighbour connection: ${failure}`);
  }

  /** What is made once is made: code, threads, their descriptors. */
  async #warmUp(): Promise<void> {
    const attack: Attack = ATTACKS.find(({ server, client }) => server === 'survives' && client === 'survives')!;
    await this.#attacker.finish();
    await this.#againstServer(attack, 1);
    await this.#attacker.finish();
    await this.#againstClient(attack, 1);
    await this.#attacker.finish();
    for (const undo of this.#undos.splice(this.#lastingUndos)) undo();
    await this.#neighbour.roundTrip();
    collectGarbage();
    await new Promise(setImmediate);
    collectGarbage();
    this.#baseBytes = usedBytes();
  }

  /** Octets held since the beginning; garbage is collected only if there is too much of it: that takes long. */
  async #held(allowed: number): Promise<number> {
    const used = usedBytes() - this.#baseBytes;
    if (used <= allowed && !this.#exact) return used;
    collectGarbage();
    // Buffers are freed by another thread.
    await new Promise(setImmediate);
    collectGarbage();
    return usedBytes() - this.#baseBytes;
  }

  async #againstServer(attack: Attack, factor: number): Promise<Pick<Outcome, 'report' | 'end'>> {
    const { ends } = this.#server;
    const before = ends.length;
    const report = await this.#attacker.attackServer(attack.name, factor, this.#server.port);
    const dead = typeof attack.server === 'number';
    if (dead) {
      const { latest } = this.#server;
      await this.#dismiss(
        attack,
        () => latest?.streamCount === 0,
        () => ends.length > before,
      );
    }
    const end = ends.length > before ? (ends[before] ?? 'orderly') : 'open';
    return { report, end };
  }

  async #againstClient(attack: Attack, factor: number): Promise<Pick<Outcome, 'report' | 'end' | 'neighbourFailure'>> {
    const hostile = await this.#attacker.listen(attack.name, factor);
    let end = 'open';
    const client = await AttackedClient.dial(this.#engine, hostile.port, attack, {
      cleanup: (undo) => this.#undos.push(undo),
      closed: (code) => {
        end = code ?? 'orderly';
      },
    });
    const report = await hostile.report;
    const dead = typeof attack.client === 'number';
    if (dead)
      await this.#dismiss(
        attack,
        () => !client.connection.usable,
        () => end !== 'open',
      );
    const neighbourFailure = dead ? undefined : await failureOf(client.neighbour);
    const outcome = { report, end, ...(neighbourFailure !== undefined && { neighbourFailure }) };
    if (!dead) (await client.neighbour.catch(() => undefined))?.stop();
    client.connection.abort();
    return outcome;
  }

  /** Who does not read our GOAWAY is cut when its time is over, which starts when the connection has `failed`. */
  async #dismiss(attack: Attack, failed: () => boolean, closed: () => boolean): Promise<void> {
    if (attack.unread === true) {
      await until(failed, () => 'connection error');
      this.#engine.advance(DISMISSAL_MS);
    }
    await until(closed, () => 'end of the connection');
  }
}

/** What is wrong with an outcome; empty when it is what the attack must come to. */
export function judge(attack: Attack, side: 'server' | 'client', outcome: Outcome): readonly string[] {
  const { report, end, stall, heldBytes, neighbourFailure } = outcome;
  const problems: string[] = [];
  const want = (fact: boolean, text: string): void => {
    if (!fact) problems.push(text);
  };
  const verdict = side === 'server' ? attack.server : attack.client;
  want(report.error === undefined, `the attacker failed: ${report.error}`);
  if (typeof verdict === 'number') {
    const codes = report.goaways.map(({ code }) => code);
    want(attack.unread === true || codes.at(-1) === verdict, `GOAWAY ${verdict}, not ${codes.join(' ') || 'none'}`);
    want(end === 'HTTP2', `connection ends with HTTP2, not ${end}`);
  } else {
    want(end === 'open', `connection survives, not ${end}`);
    want(report.goaways.length === 0, `no GOAWAY, not ${report.goaways.map(({ code }) => code).join(' ')}`);
    want(neighbourFailure === undefined, `neighbour stream: ${neighbourFailure}`);
    want(side === 'client' || report.echoes > 0, 'the neighbour stream does round trips');
    if (typeof verdict === 'object') want(report.reset === verdict.reset, `RST ${verdict.reset}, not ${report.reset}`);
  }
  want(stall.roundTrips > 0, 'the neighbour connection does round trips');
  want(
    stall.cpuMs < (attack.stallMs ?? LONGEST_STALL_MS),
    `a round trip beside it takes ${stall.cpuMs} ms of computing`,
  );
  want(outcome.dials <= MAX_STREAMS, `${outcome.dials} dials at once`);
  if (attack.answers !== undefined) want(report.blocks === attack.answers, `${report.blocks} answers`);
  const bound = attack.heldBytes ?? HELD_BYTES;
  want(heldBytes <= bound, `${heldBytes} octets are held, more than ${bound}`);
  return problems;
}

async function failureOf(neighbour: Promise<Neighbour>): Promise<string | undefined> {
  try {
    await (await neighbour).roundTrip();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

let collect: unknown;

/** Collects garbage. */
function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc');
  }
  if (typeof collect === 'function') collect();
}

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  // `arrayBuffers` is part of `external`.
  return heapUsed + external;
}

/** Waits for what no event tells. */
async function until(met: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!met()) {
    if (performance.now() > deadline) throw new Error(`${what()}: never`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
