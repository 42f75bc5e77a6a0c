import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { CodecOptions } from '../core/limits.ts';
import { demand } from './event-oracle.ts';
import { flowOf, SessionEnd } from './session-end.ts';

/** A correct peer stays below: what it does is earned by what is done to it, but for requests that cross with GOAWAY. */
const STRICT: Partial<CodecOptions> = {
  windowUpdates: { burst: 3, perSecond: 0 },
  uselessFrames: { burst: 300, perSecond: 0 },
};
const SMALL: Partial<CodecOptions> = {
  ...STRICT,
  streamWindowBytes: 3000,
  connectionWindowBytes: 65_535,
  maxFrameBytes: 16_384,
  maxConcurrentStreams: 4,
  huffman: true,
};
/** Streams hold more than the connection: what starves whom, and who is woken. */
const CROWDED: Partial<CodecOptions> = { ...STRICT, streamWindowBytes: 60_000, connectionWindowBytes: 65_535 };
const SHAPES: readonly Partial<CodecOptions>[] = [{}, SMALL, CROWDED, { ...SMALL, streamWindowBytes: 100_000 }];
/** Octets of an action: what, on which stream, how much. */
export const ACTION_BYTES = 3;
const MAX_ACTIONS = 400;
const MAX_OCTET = 255;
const AUTHORITIES = 4;
const LONGEST_NAME = 64;
/** Amounts below let a reset happen, a GOAWAY, a graceful one; an answer above is a refusal; octets to deliver are few. */
const RESET_BELOW = 64;
const GOAWAY_BELOW = 100;
const GRACEFUL_BELOW = 60;
const DENIED_ABOVE = 200;
const SMALL_BELOW = 128;
const ALL = Number.MAX_SAFE_INTEGER;
/** Rounds until nothing moves any more: everybody sends nothing new, so that answers to answers run out. */
const MAX_ROUNDS = 20;

/**
 * Two codecs, joined by pipes that deliver any number of octets, and users that do what the input says. Both are correct
 * peers, so nothing may fail: octets arrive exactly and in order, both ends agree on the streams that are open, nobody
 * who waits for a window is forgotten, and in the end everything is released.
 *
 * The first octet chooses the windows of both ends; every three octets after it are one action.
 */
export function fuzzSession(input: Uint8Array): void {
  const first = input[0] ?? 0;
  const session = new Session(SHAPES[first & 3]!, SHAPES[(first >> 2) & 3]!);
  const actions = Math.min(MAX_ACTIONS, Math.floor((input.length - 1) / ACTION_BYTES));
  for (let action = 0; action < actions; action++) {
    const at = 1 + action * ACTION_BYTES;
    session.act(input[at]!, input[at + 1]!, input[at + 2]!);
  }
  session.finish();
}

/** One action of one of the users. */
interface Turn {
  readonly end: SessionEnd;
  readonly other: SessionEnd;
  /** The stream it is about; 0: there is none. */
  readonly id: number;
  readonly which: number;
  readonly amount: number;
  readonly last: boolean;
}

function sendSome({ end, other, id, amount, last }: Turn): void {
  end.send(other, id, { wanted: amount * amount, last });
}

/** Few octets half of the time: frames are cut. */
function deliverSome({ end, other, amount }: Turn): void {
  end.flush(other);
  end.deliver(amount < SMALL_BELOW ? amount : amount * amount);
}

class Session {
  readonly #client: SessionEnd;
  readonly #server: SessionEnd;
  #announced = false;
  readonly #gone = new Set<SessionEnd>();
  /** By the low bits of an action's first octet; what happens often in life is there more than once. */
  readonly #actions: readonly ((turn: Turn) => void)[] = [
    ({ which }) => this.#request(which),
    ({ which }) => this.#request(which),
    ({ which, amount }) => this.#respond(which, amount),
    ({ which, amount }) => this.#respond(which, amount),
    sendSome,
    sendSome,
    sendSome,
    ({ end, other, id }) => end.send(other, id, { wanted: 0, last: true }),
    ({ end, id, amount }) => (amount < RESET_BELOW ? end.reset(id) : undefined),
    ({ end, id, amount }) => end.credit(id, amount / MAX_OCTET),
    ({ end, amount }) => this.#goaway(end, amount),
    ({ end, other, amount }) => end.injectSettings(other, amount),
    ({ end }) => end.codec.ping(),
    deliverSome,
    deliverSome,
    deliverSome,
  ];

  constructor(client: Partial<CodecOptions>, server: Partial<CodecOptions>) {
    this.#client = new SessionEnd('client', client);
    this.#server = new SessionEnd('server', server);
    // The greetings are on the way before anything else.
    this.#client.flush(this.#server);
    this.#server.flush(this.#client);
  }

  act(action: number, which: number, amount: number): void {
    const end = (action & 0x80) === 0 ? this.#client : this.#server;
    const other = end === this.#client ? this.#server : this.#client;
    const streams = [...end.oracle.streams.keys()];
    const id = streams[which % Math.max(1, streams.length)] ?? 0;
    const turn: Turn = { end, other, id, which, amount, last: (action & 0x10) !== 0 };
    this.#actions[action % this.#actions.length]!(turn);
  }

  /** Both users let go of everything, and everything arrives. */
  finish(): void {
    this.#settle();
    const open = this.#client.oracle.openIds();
    demand(open.join() === this.#server.oracle.openIds().join(), 'the ends disagree on the streams that are open');
    this.#requireArrived(this.#client, this.#server);
    this.#requireArrived(this.#server, this.#client);
    for (const id of this.#client.oracle.streams.keys()) this.#client.reset(id);
    this.#settle();
    for (const end of [this.#client, this.#server]) {
      for (const id of end.oracle.streams.keys()) end.reset(id);
      demand(end.codec.openStreams === 0, `${end.role}: a stream is left`);
    }
    this.#settle();
  }

  #request(which: number): void {
    const fields: Fields = [
      [':method', 'CONNECT'],
      // Few of them, so that tables are used.
      [':authority', `10.0.0.${which % AUTHORITIES}:80`],
      ...((which & 1) === 0 ? [] : [['baggage', `k8s.pod.name=${'n'.repeat(which % LONGEST_NAME)}`] as const]),
    ];
    const id = this.#client.codec.request(fields);
    if (id !== 0) this.#client.oracle.requested(id);
  }

  #respond(which: number, amount: number): void {
    const server = this.#server;
    const at = which % Math.max(1, server.unanswered.length);
    const [id] = server.unanswered.splice(at, 1);
    if (id === undefined || !server.oracle.streams.has(id)) return;
    const denied = amount > DENIED_ABOVE;
    server.codec.respond(id, [[':status', denied ? '401' : '200']], denied);
    if (!denied) return;
    flowOf(server.sent, id).ended = true;
    server.oracle.endedLocally(id);
  }

  /** Says it once, and a server may announce it before: more often would be a flood. */
  #goaway(end: SessionEnd, amount: number): void {
    if (amount >= GOAWAY_BELOW || this.#gone.has(end)) return;
    const graceful = end.role === 'server' && !this.#announced && amount < GRACEFUL_BELOW;
    if (graceful) this.#announced = true;
    else this.#gone.add(end);
    end.codec.goaway(ErrorCode.NO_ERROR, graceful);
  }

  /** Everything on the way arrives and is credited, until nothing is. */
  #settle(): void {
    const ends = [this.#client, this.#server] as const;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      for (const end of ends) for (const id of end.oracle.streams.keys()) end.credit(id, 1);
      this.#client.flush(this.#server);
      this.#server.flush(this.#client);
      if (ends.every(({ arrivingBytes }) => arrivingBytes === 0)) break;
      for (const end of ends) end.deliver(ALL);
    }
    for (const end of ends) {
      demand(end.arrivingBytes === 0, 'the ends never stop talking');
      end.requireSettled();
    }
  }

  #requireArrived(from: SessionEnd, to: SessionEnd): void {
    for (const [id, sent] of from.sent) {
      if (from.cut.has(id) || to.cut.has(id)) continue;
      const received = flowOf(to.received, id);
      demand(sent.bytes === received.bytes, `stream ${id}: ${received.bytes} of ${sent.bytes} octets arrived`);
      demand(sent.ended === received.ended, `stream ${id}: ends of ${from.role} differ`);
    }
  }
}
