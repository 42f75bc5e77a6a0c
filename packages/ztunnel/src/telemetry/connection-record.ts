import type { SocketAddress } from '@ambientmesh/hbone';
import { formatAddress } from '../address.ts';
import type { OpenConnection } from '../data-plane/protocol.ts';
import { bare, type LogField } from '../log/line.ts';
import type { Service } from '../state/service.ts';
import type { AccessLog } from './access-log.ts';
import type { CounterSet, Counters } from './counters.ts';
import type { Peer } from './peer.ts';

/** Response flags of metrics (spec ztunnel.md §10). */
export type ResponseFlag =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED';

/** Why a connection failed: the text of the log and the flag of the metrics. */
export interface ConnectionError {
  readonly message: string;
  readonly flag: ResponseFlag;
}

/** Everything known of a routed connection when it is opened. */
export interface ConnectionFacts {
  readonly direction: 'inbound' | 'outbound';
  readonly client: SocketAddress;
  /** The TCP destination: for HBONE port 15008 of the next hop, on both sides. */
  readonly destination: SocketAddress;
  /** Authority of the CONNECT. */
  readonly hboneAddress: string | undefined;
  readonly source: Peer | undefined;
  readonly target: Peer | undefined;
  readonly service: Service | undefined;
  /** Only of connections with mutual TLS. */
  readonly sourceIdentity: string;
  readonly targetIdentity: string;
  /** Identity of the destination's workload for metrics, with or without TLS. */
  readonly targetPrincipal: string;
  readonly mutualTls: boolean;
  /** Outbound: what the application asked for. Inbound: the service that the request was for, as the other proxy says. */
  readonly originalDestination: string | undefined;
}

export interface RecordContext {
  readonly counters: Counters;
  readonly accessLog: AccessLog;
  /** Monotonic milliseconds. */
  now(): number;
  /** The pod's open connections: each record is in it from its making to its end. */
  readonly open: Set<ConnectionRecord>;
}

/** Accounts for one connection: counted while it runs, logged once when it ends. */
export class ConnectionRecord {
  readonly #facts: ConnectionFacts;
  readonly #context: RecordContext;
  readonly #openedAt: number;
  readonly #counters: CounterSet;
  #sent = 0;
  #received = 0;
  #finished = false;

  constructor(facts: ConnectionFacts, context: RecordContext) {
    this.#facts = facts;
    this.#context = context;
    this.#openedAt = context.now();
    this.#counters = context.counters.of(facts, '-');
    this.#counters.holders++;
    this.#counters.opened++;
    context.open.add(this);
    if (context.accessLog.debug) context.accessLog.write('debug', 'connection opened', this.#fields());
  }

  get direction(): 'inbound' | 'outbound' {
    return this.#facts.direction;
  }

  /** The connection in the form of the dump. */
  describe(): OpenConnection {
    const { client, destination, direction, hboneAddress, mutualTls, originalDestination } = this.#facts;
    const tunnelTarget = direction === 'inbound' ? hboneAddress : undefined;
    return {
      src: formatAddress(client),
      originalDst: originalDestination ?? null,
      actualDst: tunnelTarget ?? formatAddress(destination),
      protocol: mutualTls ? 'HBONE' : 'TCP',
    };
  }

  /** Bytes that came from the client. */
  fromClient(bytes: number): void {
    this.#received += bytes;
    this.#counters.receivedBytes += bytes;
  }

  /** Bytes that came from the server. */
  fromServer(bytes: number): void {
    this.#sent += bytes;
    this.#counters.sentBytes += bytes;
  }

  /** Ends the record; only the first call counts. */
  finish(error?: ConnectionError): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#context.open.delete(this);
    this.#counters.holders--;
    const flag = error?.flag ?? '-';
    const final = flag === '-' ? this.#counters : this.#context.counters.of(this.#facts, flag);
    final.closed++;
    if (flag !== '-') final.failed++;
    const { accessLog } = this.#context;
    const outbound = this.#facts.direction === 'outbound';
    const fields = this.#fields();
    fields.push(
      ['bytes_sent', outbound ? this.#received : this.#sent],
      ['bytes_recv', outbound ? this.#sent : this.#received],
      ['duration', `${Math.max(0, Math.floor(this.#context.now() - this.#openedAt))}ms`],
    );
    if (error !== undefined) fields.push(['error', error.message]);
    accessLog.write(error === undefined ? 'info' : 'error', 'connection complete', fields);
  }

  #fields(): LogField[] {
    const facts = this.#facts;
    const fields: LogField[] = [['src.addr', bare(formatAddress(facts.client))]];
    const text = (key: string, value: string | undefined): void => {
      if (value !== undefined && value !== '') fields.push([key, value]);
    };
    text('src.workload', facts.source?.name);
    text('src.namespace', facts.source?.namespace);
    text('src.identity', facts.sourceIdentity);
    text('src.cluster', facts.source?.cluster);
    fields.push(['dst.addr', bare(formatAddress(facts.destination))]);
    if (facts.hboneAddress !== undefined) fields.push(['dst.hbone_addr', bare(facts.hboneAddress)]);
    text('dst.service', facts.service?.hostname);
    text('dst.workload', facts.target?.name);
    text('dst.namespace', facts.target?.namespace);
    text('dst.identity', facts.targetIdentity);
    text('dst.cluster', facts.target?.cluster);
    text('direction', facts.direction);
    return fields;
  }
}

/** A connection that ended before it was routed: one short line, no metrics. */
export function logEarlyFailure(
  accessLog: AccessLog,
  facts: Pick<ConnectionFacts, 'client' | 'destination' | 'direction'>,
  message: string,
): void {
  accessLog.write('warn', 'connection failed', [
    ['src.addr', bare(formatAddress(facts.client))],
    ['dst.addr', bare(formatAddress(facts.destination))],
    ['direction', facts.direction],
    ['error', message],
  ]);
}
