import { readFileSync } from 'node:fs';
import { NetnsError } from './errors.ts';
import type { Namespace } from './namespace.ts';
import type { SocketAddress } from './socket-address.ts';

const RANGE_PATH = '/proc/sys/net/ipv4/ip_local_port_range';
const RESERVED_PATH = '/proc/sys/net/ipv4/ip_local_reserved_ports';
/** Pairs of addresses whose next port is remembered; when there are more, all begin anew. */
const MOST_PAIRS = 1024;

/**
 * Ports for many connections from foreign addresses, one after the other for each pair of addresses, as connect(2) does it.
 * bind(2) has to find one that nobody has at all, and looks at one after the other: with the 28,000 of Linux in TIME_WAIT,
 * which takes some hundred connections a second, that was 40 % of the CPU time of a proxy, and milliseconds a call.
 */
export class SourcePorts {
  readonly #first: number;
  readonly #count: number;
  readonly #next = new Map<string, number>();

  /** `low` and `high`: the local ports of the namespace. */
  constructor(low: number, high: number) {
    // Every other one, of the parity that bind(2) prefers: connect(2) prefers the others, and conntrack mixes up a client's own
    // connection with one of ours that has the same ends.
    this.#first = low + 1;
    this.#count = Math.floor((high - low + 1) / 2);
  }

  /** Undefined where they cannot be had, or some are reserved: then the choice is the kernel's. */
  static of(namespace: Namespace): SourcePorts | undefined {
    try {
      const [range, reserved] = namespace.run(() => [readText(RANGE_PATH), readText(RESERVED_PATH)]);
      const [low = 0, high = 0] = range?.split(/\s+/).map(Number) ?? [];
      return reserved === '' && low > 0 && high > low ? new SourcePorts(low, high) : undefined;
    } catch (error) {
      if (error instanceof NetnsError) return undefined;
      throw error;
    }
  }

  /** A port to connect from `source` to `to`; it may be taken. */
  next(source: string, to: SocketAddress): number {
    const pair = `${source} ${to.ip} ${to.port}`;
    const last = this.#next.get(pair);
    if (last === undefined && this.#next.size >= MOST_PAIRS) this.#next.clear();
    const index = last === undefined ? Math.floor(Math.random() * this.#count) : (last + 1) % this.#count;
    this.#next.set(pair, index);
    return this.#first + 2 * index;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
