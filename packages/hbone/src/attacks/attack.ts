import type { HostilePeer } from '../testing/hostile-peer.ts';

/** What the side under attack must do. */
export type Verdict =
  /** The connection goes on, and every stream that the attack did not concern. */
  | 'survives'
  /** GOAWAY with this code, then the connection ends. */
  | number
  /** RST_STREAM with this code on the stream watched, and the connection goes on. */
  | { readonly reset: number }
  /** The connection ends without a word: there was no HTTP/2 to speak. */
  | 'cut';

/** What the application behind a target stream does. */
export type Application =
  /** Sends back what it gets, ends when its peer does. */
  | 'echo'
  /** Reads nothing. */
  | 'stall'
  /** Sends more than is taken, reads nothing. */
  | 'source';

/** One hostile connection, ready for its attack. */
export interface Stage {
  readonly peer: HostilePeer;
  /** 1 in tests; how many times as much in a soak. */
  readonly factor: number;
  /** Streams to play with, established unless the attack says otherwise; the neighbour stream is another. */
  readonly targets: readonly number[];
  readonly target: number;
  /** A stream whose header block has yet to be sent: a new one of a client, a request to answer of a server. */
  fresh(): number;
  /** The header block that is right there: CONNECT, or 200. */
  message(): Buffer;
  /** A round trip of the neighbour stream, whoever does them; false: it cannot do any more. */
  neighbour(): Promise<boolean>;
  /** The stream whose reset is expected; else `target`. */
  watch(id: number): void;
}

/** One attack, played against our server, against our client, or against each. */
export interface Attack {
  readonly name: string;
  /** What our server must do. Left out: the attack makes no sense there. */
  readonly server?: Verdict;
  /** What our client must do. */
  readonly client?: Verdict;
  /** The attacker reads nothing from the start of its attack. */
  readonly unread?: boolean;
  /** The attacker says nothing by itself: no preface, no SETTINGS; there is no neighbour stream. */
  readonly bare?: boolean;
  /** No frame may come between the attack's: the neighbour stream waits. */
  readonly indivisible?: boolean;
  /** What is behind the targets; default `echo`. */
  readonly application?: Application;
  /** Targets; default 1. */
  readonly targets?: number;
  /** Targets wait for their header block. */
  readonly unanswered?: boolean;
  /** Requests that our client makes again and again, besides. */
  readonly requests?: number;
  /** Octets that the process may hold for it at its end; default `HELD_BYTES`. */
  readonly heldBytes?: number;
  /** Header blocks that must come back in all, the neighbour stream's among them. */
  readonly answers?: number;
  /** Too long for the unit tests. */
  readonly soakOnly?: boolean;
  /** Milliseconds of computing that a neighbour's round trip may take; default `LONGEST_STALL_MS`. */
  readonly stallMs?: number;
  run(stage: Stage): Promise<void>;
}

/** What an attacker saw. */
export interface Report {
  readonly goaways: readonly { readonly last: number; readonly code: number }[];
  readonly end: string;
  /** Code of the watched stream's reset. */
  readonly reset?: number;
  /** Codes of all resets, with how often each came. */
  readonly resets: readonly (readonly [code: number, times: number])[];
  /** Header blocks that came. */
  readonly blocks: number;
  /** Round trips of the neighbour stream; the last one after the attack. */
  readonly echoes: number;
  readonly error?: string;
}
