import { dialHostile, type HostileAccepted, type HostilePeer, listenHostile } from '../testing/hostile-peer.ts';
import { connectBlock, headers, PREFACE, SETTING, settings, statusBlock, windowUpdate } from '../testing/raw-frames.ts';
import type { Attack, Report, Stage } from './attack.ts';

/** The neighbour stream: first of its connection. */
export const NEIGHBOUR = 1;
const FIRST_TARGET = 3;
/** An attacker takes what it is sent: what it does not want to, it says. */
const WIDE_WINDOW = 1_000_000_000;
const ROUND_TRIP = Buffer.alloc(16, 'n');
const PACE_MS = 1;

const POLITE = Buffer.concat([settings([SETTING.INITIAL_WINDOW_SIZE, WIDE_WINDOW]), windowUpdate(0, WIDE_WINDOW)]);
const NOTHING = Buffer.alloc(0);

/** How an attack is to be played. */
export interface Play {
  readonly attack: Attack;
  readonly factor: number;
}

/** Plays the client, up to the point where the other side has answered (`report`) or all is sent (unread). */
export async function attackServer(port: number, play: Play): Promise<Attacking> {
  const { attack } = play;
  const bare = attack.bare === true;
  const peer = await dialHostile(port, bare ? NOTHING : Buffer.concat([PREFACE, POLITE]));
  const attacking = new Attacking(peer, play);
  if (!bare) {
    const targets = attack.unanswered === true ? [] : attacking.targets;
    await peer.send(headers(NEIGHBOUR, connectBlock('echo:1')));
    for (const id of targets) await peer.send(headers(id, connectBlock(`${attack.application ?? 'echo'}:1`)));
    await peer.until(() => [NEIGHBOUR, ...targets].every((id) => peer.blocks.has(id)), 'answers');
  }
  await attacking.run(bare || attack.unread === true ? undefined : NEIGHBOUR);
  return attacking;
}

/** Plays the server to the one client that comes. `listening` hears the port. */
export async function attackClient(play: Play, listening: (port: number) => void): Promise<Attacking> {
  const { attack } = play;
  const bare = attack.bare === true;
  let arrived: (connection: HostileAccepted) => void;
  const arrival = new Promise<HostileAccepted>((resolve) => (arrived = resolve));
  const server = await listenHostile((connection) => arrived(connection));
  listening(server.port);
  const peer = await (await arrival).secure(bare ? NOTHING : POLITE);
  server.close();
  const attacking = new Attacking(peer, play);
  const answered = attack.unanswered === true ? [] : attacking.targets;
  await peer.until(() => [NEIGHBOUR, ...attacking.targets].every((id) => peer.blocks.has(id)), 'requests');
  peer.echoing = NEIGHBOUR;
  if (!bare) for (const id of [NEIGHBOUR, ...answered]) await peer.send(headers(id, statusBlock(200)));
  await attacking.run(undefined);
  return attacking;
}

/** One attack under way. */
export class Attacking implements Stage {
  readonly peer: HostilePeer;
  readonly factor: number;
  readonly targets: readonly number[];
  readonly target: number = FIRST_TARGET;
  readonly #attack: Attack;
  readonly #waiting: number[];
  #nextId: number;
  #watched: number;
  #echoes = 0;
  #neighbouring = false;
  #error: string | undefined;

  constructor(peer: HostilePeer, { attack, factor }: Play) {
    this.peer = peer;
    this.factor = factor;
    this.#attack = attack;
    this.targets = Array.from({ length: attack.targets ?? 1 }, (_, index) => FIRST_TARGET + 2 * index);
    this.#waiting = [...this.targets];
    this.#nextId = attack.unanswered === true ? FIRST_TARGET : FIRST_TARGET + 2 * this.targets.length;
    this.#watched = this.target;
  }

  fresh(): number {
    if (this.peer.role === 'server') return this.#waiting.shift() ?? this.target;
    this.#nextId += 2;
    return this.#nextId - 2;
  }

  message(): Buffer {
    return this.peer.role === 'client' ? connectBlock(`${this.#attack.application ?? 'echo'}:1`) : statusBlock(200);
  }

  watch(id: number): void {
    this.#watched = id;
  }

  async neighbour(): Promise<boolean> {
    const { peer } = this;
    if (peer.role === 'client') return peer.roundTrip(NEIGHBOUR, ROUND_TRIP);
    // Two messages: the first may have been on its way.
    const before = peer.received.get(NEIGHBOUR) ?? 0;
    const arrived = (): boolean => (peer.received.get(NEIGHBOUR) ?? 0) > before + ROUND_TRIP.length;
    await peer.until(() => arrived() || peer.end !== 'open', 'message of the neighbour stream');
    return arrived();
  }

  get report(): Report {
    const { peer } = this;
    const reset = peer.resets.get(this.#watched);
    const resets = new Map<number, number>();
    for (const code of peer.resets.values()) resets.set(code, (resets.get(code) ?? 0) + 1);
    return {
      goaways: peer.goaways,
      end: peer.end,
      ...(reset !== undefined && { reset }),
      resets: [...resets],
      blocks: [...peer.blocks.values()].reduce((sum, times) => sum + times, 0),
      echoes: this.#echoes,
      ...(this.#error !== undefined && { error: this.#error }),
    };
  }

  /** Attacks with the neighbour stream beside it, if we are the one that keeps it going. */
  async run(neighbour: number | undefined): Promise<void> {
    const indivisible = this.#attack.indivisible === true;
    this.peer.holding = indivisible;
    this.#neighbouring = neighbour !== undefined && !indivisible;
    let neighbouring = this.#neighbouring ? this.#keepNeighbour(NEIGHBOUR) : Promise.resolve();
    try {
      await this.#attack.run(this);
      this.peer.release();
      if (indivisible && neighbour !== undefined) neighbouring = this.#keepNeighbour(NEIGHBOUR);
      if (this.#attack.unread !== true) await this.#answer();
    } catch (error) {
      this.#error = String(error);
    }
    this.#neighbouring = false;
    await neighbouring;
  }

  /** Ends what is left of the connection. */
  close(): Promise<void> {
    return this.peer.close();
  }

  async #answer(): Promise<void> {
    const { peer } = this;
    const verdict = peer.role === 'client' ? this.#attack.server : this.#attack.client;
    if (verdict === 'cut') await peer.until(() => peer.end !== 'open', 'the end');
    else if (typeof verdict === 'number') {
      await peer.until(() => peer.goaways.some(({ code }) => code === verdict) || peer.end !== 'open', 'GOAWAY');
      await peer.until(() => peer.end !== 'open', 'the end');
    } else if (typeof verdict === 'object')
      await peer.until(() => peer.resets.has(this.#watched) || peer.end !== 'open', 'RST_STREAM');
  }

  /** Round trips until the attack is over, then one more. */
  async #keepNeighbour(id: number): Promise<void> {
    try {
      let more = true;
      while (more) {
        more = this.#neighbouring;
        if (!(await this.peer.roundTrip(id, ROUND_TRIP))) return;
        this.#echoes += 1;
        if (more) await pause();
      }
    } catch (error) {
      this.#error ??= `neighbour stream: ${String(error)}`;
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PACE_MS);
  });
}
