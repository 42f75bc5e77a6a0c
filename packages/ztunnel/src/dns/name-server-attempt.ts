import { randomInt } from 'node:crypto';
import type { Socket as UdpSocket } from 'node:dgram';
import { isIPv6, type Socket as TcpSocket } from 'node:net';
import type { ForwardOutcome } from './forward-outcome.ts';
import { MAX_MESSAGE_BYTES, RCODE_NAME_ERROR, RCODE_NO_ERROR, RCODE_SERVER_FAILURE } from './message-format.ts';
import { decodeUpstreamResponse, encodeUpstreamQuery, type UpstreamResponse } from './name-server-message.ts';
import type { NameServerSockets } from './name-server-sockets.ts';
import { type Question } from './question.ts';

/** Datagrams sent in one try that stays without answer, at equal distances; each to the next server. */
export const DATAGRAMS_PER_TRY = 3;
/** Query identifiers are 16 bits. */
const ID_LIMIT = 65_536;

export interface AttemptOptions {
  readonly question: Question;
  readonly servers: readonly NameServer[];
  readonly sockets: NameServerSockets;
  readonly timeoutMs: number;
}

/** Where a name server listens. */
export interface NameServer {
  readonly ip: string;
  readonly port: number;
}

/** One server as far as this try has come with it. */
interface Asked {
  readonly server: NameServer;
  readonly query: Buffer;
  readonly id: number;
  socket: UdpSocket | undefined;
  tcp: TcpSocket | undefined;
  failed: boolean;
}

/**
 * One try to get a question answered: the servers are asked in turn by UDP, each from a fresh port with a fresh identifier,
 * the next one as soon as one fails or stays silent; a truncated answer is fetched by TCP. Ends with the first usable
 * answer, when all servers have failed, or when the time is up. `done` is called once, unless it is cancelled before.
 */
export class NameServerAttempt {
  readonly #options: AttemptOptions;
  readonly #done: (outcome: ForwardOutcome) => void;
  readonly #asked: Asked[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #sent = 0;
  #last: ForwardOutcome = failure('timeout');
  #ended = false;

  constructor(options: AttemptOptions, done: (outcome: ForwardOutcome) => void) {
    this.#options = options;
    this.#done = done;
    const { timeoutMs } = options;
    this.#timers.push(setTimeout(() => this.#end(failure('timeout')), timeoutMs));
    for (let n = 1; n < DATAGRAMS_PER_TRY; n++)
      this.#timers.push(setTimeout(() => this.#sendNext(), (timeoutMs * n) / DATAGRAMS_PER_TRY));
    this.#sendNext();
  }

  /** Closes everything; `done` is not called any more. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { socket, tcp } of this.#asked) {
      socket?.close();
      tcp?.destroy();
    }
  }

  #end(outcome: ForwardOutcome): void {
    if (this.#ended) return;
    this.cancel();
    this.#done(outcome);
  }

  /** Asks a server that was not asked yet, else again one that has not failed. */
  #sendNext(): void {
    if (this.#ended) return;
    const { servers, question } = this.#options;
    const server = servers[this.#asked.length];
    if (server !== undefined) {
      const id = randomInt(ID_LIMIT);
      const query = encodeUpstreamQuery(id, question);
      const asked: Asked = { server, query, id, socket: undefined, tcp: undefined, failed: false };
      this.#asked.push(asked);
      this.#open(asked);
      return;
    }
    const waiting = this.#asked.filter(({ failed }) => !failed);
    const again = waiting[this.#sent % Math.max(1, waiting.length)];
    if (again?.socket !== undefined && again.tcp === undefined) this.#send(again, again.socket);
  }

  #open(asked: Asked): void {
    const { server } = asked;
    try {
      const socket = this.#options.sockets.udp(isIPv6(server.ip) ? 6 : 4);
      asked.socket = socket;
      socket.on('error', (error) => this.#fail(asked, failure('unreachable', error.message)));
      socket.on('message', (bytes) => this.#receive(asked, bytes));
      // Connected: the kernel drops what others send, and tells when nobody listens there.
      socket.once('connect', () => this.#send(asked, socket));
      socket.connect(server.port, server.ip);
    } catch (error) {
      // In the next turn: the caller does not have this object yet.
      setImmediate(() => this.#fail(asked, failure('unreachable', String(error))));
    }
  }

  #send(asked: Asked, socket: UdpSocket): void {
    if (this.#ended) return;
    this.#sent++;
    socket.send(asked.query, (error) => {
      if (error !== null) this.#fail(asked, failure('unreachable', error.message));
    });
  }

  #receive(asked: Asked, bytes: Buffer): void {
    if (this.#ended || asked.failed) return;
    const response = decodeUpstreamResponse(bytes, asked.id, this.#options.question);
    if (response === undefined) return;
    if (response.truncated && asked.tcp === undefined) this.#askByTcp(asked);
    else if (!response.truncated) this.#conclude(asked, response);
  }

  #conclude(asked: Asked, response: UpstreamResponse): void {
    const outcome = outcomeOf(response);
    if (outcome.kind === 'refused') this.#fail(asked, outcome);
    else this.#end(outcome);
  }

  #fail(asked: Asked, outcome: ForwardOutcome): void {
    if (this.#ended || asked.failed) return;
    asked.failed = true;
    this.#last = outcome;
    if (this.#asked.length < this.#options.servers.length) this.#sendNext();
    else if (this.#asked.every(({ failed }) => failed)) this.#end(this.#last);
  }

  #askByTcp(asked: Asked): void {
    const { server, query } = asked;
    let received = Buffer.alloc(0);
    try {
      const tcp = this.#options.sockets.tcp(isIPv6(server.ip) ? 6 : 4);
      asked.tcp = tcp;
      tcp.on('error', (error) => this.#fail(asked, failure('unreachable', error.message)));
      tcp.on('close', () => this.#fail(asked, failure('unreachable', 'connection closed')));
      tcp.on('data', (chunk: Buffer) => {
        // At most 65 537 bytes, in few pieces: copying is cheap enough.
        received = Buffer.concat([received, chunk]);
        const length = received.length < 2 ? MAX_MESSAGE_BYTES : received.readUInt16BE(0);
        if (received.length < 2 + length) return;
        const response = decodeUpstreamResponse(received.subarray(2, 2 + length), asked.id, this.#options.question);
        if (response === undefined || response.truncated) tcp.destroy();
        else this.#conclude(asked, response);
      });
      tcp.connect(server.port, server.ip);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      tcp.write(Buffer.concat([length, query]));
    } catch (error) {
      this.#fail(asked, failure('unreachable', String(error)));
    }
  }
}

/** An outcome without records that is not remembered. */
export function failure(kind: 'timeout' | 'unreachable', reason = ''): ForwardOutcome {
  return { kind, rcode: RCODE_SERVER_FAILURE, records: [], ageSeconds: 0, cacheSeconds: 0, reason };
}

function outcomeOf({ rcode, records, negativeTtlSeconds }: UpstreamResponse): ForwardOutcome {
  const common = { rcode, ageSeconds: 0, reason: '' };
  if (rcode === RCODE_NO_ERROR && records.length > 0) {
    const cacheSeconds = records.reduce((least, { ttlSeconds }) => Math.min(least, ttlSeconds), Infinity);
    return { kind: 'answer', records, cacheSeconds, ...common };
  }
  const isEmpty = rcode === RCODE_NO_ERROR || rcode === RCODE_NAME_ERROR;
  return {
    kind: isEmpty ? 'empty' : 'refused',
    records: [],
    cacheSeconds: isEmpty ? (negativeTtlSeconds ?? 0) : 0,
    ...common,
  };
}
