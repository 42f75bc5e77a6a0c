import {
  type Cancellable,
  type ConnectionFailure,
  type Plain,
  type RelayFailure,
  type ServerStream,
  type SocketAddress,
  type StreamFailure,
  streamFailureText,
  TunnelRelay,
  type TunnelRequest,
} from '@ambientmesh/hbone';
import type { Connection } from '@ambientmesh/policy';
import { renderSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import { formatAddress, parseAuthority } from '../address.ts';
import { dial } from '../data-plane/dial.ts';
import { describePod } from '../data-plane/local-workloads.ts';
import { renderIoError } from '../io-error.ts';
import { bare, type LogSpan } from '../log/line.ts';
import { identityText } from '../state/identity.ts';
import type { Service } from '../state/service.ts';
import type { Workload } from '../state/workload.ts';
import { parseBaggage, renderBaggage } from '../telemetry/baggage.ts';
import { type ConnectionError, ConnectionRecord, logEarlyFailure } from '../telemetry/connection-record.ts';
import { parseForwardedHost } from '../telemetry/forwarded.ts';
import { type Peer, peerOf, principalOf } from '../telemetry/peer.ts';
import { newTraceContext, parseTraceId } from '../telemetry/trace-context.ts';
import type { HboneConnection } from './hbone-connection.ts';
import type { PolicedConnection } from './policed-connection.ts';
import { encodeProxyHeader } from './proxy-header.ts';
import { type FoundTarget, resolveTarget } from './request-target.ts';

export interface InboundStreamOptions {
  readonly connection: HboneConnection;
  readonly stream: ServerStream;
  readonly request: TunnelRequest;
  /** First SPIFFE id of the peer's certificate. */
  readonly peer: SpiffeId | undefined;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** One CONNECT that came through a tunnel, from its request to its end (spec hbone.md §4). */
export class InboundStream implements PolicedConnection {
  readonly #options: InboundStreamOptions;
  #pending: Cancellable | undefined;
  #record: ConnectionRecord | undefined;
  /** Of the application, the tunnel's override included. */
  #port = 0;
  #application: Plain | undefined;
  #relay: TunnelRelay | undefined;
  /** Made when a line is in them: without a `traceparent` the id is made up, and is the same in all of them. */
  #spans: readonly LogSpan[] | undefined;
  #over = false;

  constructor(options: InboundStreamOptions) {
    this.#options = options;
    // Until the relay takes over: the client gave up, so the dial is off.
    options.stream.handler = { ...NOT_STARTED, failed: (failure) => this.#abandoned(failure) };
  }

  start(): void {
    const { connection, request } = this.#options;
    const { context, info } = connection.pod;
    if (request.method !== 'CONNECT') return this.#refuse(400, `expected method CONNECT, got ${request.method}`);
    // Asked for every stream: a tunnel lives for hours, and the pod's policies may have changed since it was opened.
    const pending = context.localWorkloads.resolve(info, (workload) => {
      if (workload !== undefined) return this.#route(workload);
      connection.pod.workloadMissing([]);
      this.#refuse(503, `failed to fetch information about local workload: ${describePod(info)}`);
    });
    if (pending !== undefined) this.#pending = pending;
  }

  get judged(): Connection {
    const { peer: identity, local, remote } = this.#options;
    return { identity, sourceIp: remote.ip, destinationIp: local.ip, destinationPort: this.#port };
  }

  get clientPort(): number {
    return this.#options.remote.port;
  }

  get spans(): readonly LogSpan[] {
    this.#spans ??= spansOf(this.#options);
    return this.#spans;
  }

  deny(reason: ConnectionError): void {
    if (this.#over) return;
    if (this.#application === undefined) return this.#reject(401, reason);
    this.#application.reset();
    if (this.#relay === undefined) this.#options.stream.cancel();
    else this.#relay.abort();
    this.#finish(reason);
  }

  /** The tunnel is gone; what is left of this ends now, for the tunnel's reason. */
  cut(): void {
    this.#relay?.abort();
    this.#finish(undefined);
  }

  /** The same, and the application sees a reset. */
  reset(): void {
    if (this.#over) return;
    this.#application?.reset();
    this.cut();
  }

  #route(workload: Workload): void {
    const { connection, request, local, remote } = this.#options;
    const { context } = connection.pod;
    const target = resolveTarget(context, workload, local.ip, request.authority);
    if ('status' in target) return this.#refuse(target.status, target.message);

    this.#open(workload, target.service);
    const to = { ip: target.loopback ? loopbackOf(local.ip) : local.ip, port: target.port };
    this.#port = target.port;
    const refusal = connection.pod.authorization.admit(this, workload);
    if (refusal !== undefined) return this.#reject(401, refusal);
    const source = connection.pod.keepsSource && !target.loopback ? { source: remote } : {};
    const handler = {
      connected: (application: Plain) => this.#join(application, workload, target),
      failed: (failure: ConnectionFailure) =>
        this.#reject(503, { message: `connection failed: ${renderIoError(failure)}`, flag: 'CONNECT' }),
    };
    this.#pending = context.dials.add(() => {
      this.#pending = dial(connection.pod, { to, ...source }, handler);
    });
  }

  #open(workload: Workload, service: Service | undefined): void {
    const { connection, request, peer, local, remote } = this.#options;
    this.#record = new ConnectionRecord(
      {
        direction: 'inbound',
        client: remote,
        destination: local,
        hboneAddress: request.authority,
        source: this.#sourcePeer(),
        target: peerOf(workload),
        service,
        sourceIdentity: peer === undefined ? '' : renderSpiffeId(peer),
        targetIdentity: identityText(workload),
        targetPrincipal: principalOf(workload),
        mutualTls: true,
        originalDestination: parseForwardedHost(fieldOf(request, 'forwarded')[0] ?? ''),
      },
      connection.pod.recordContext,
    );
  }

  /** The client's workload by its address; for traffic from another network, or unknown clients, what it says of itself. */
  #sourcePeer(): Peer | undefined {
    const { connection, request, remote } = this.#options;
    const { config, state } = connection.pod.context;
    const network = fieldOf(request, 'x-forwarded-network')[0];
    const foreign = network !== undefined && network.toLowerCase() !== config.network.toLowerCase();
    const known = foreign ? undefined : state.workloadByAddress(config.network, remote.ip);
    if (known !== undefined) return peerOf(known);
    return config.responseBaggage ? parseBaggage(fieldOf(request, 'baggage')) : undefined;
  }

  #join(application: Plain, workload: Workload, { proxyHeader, service }: FoundTarget): void {
    this.#pending = undefined;
    this.#application = application;
    const { connection, stream } = this.#options;
    const { config } = connection.pod.context;
    stream.respond(200, config.responseBaggage ? [['baggage', renderBaggage(workload)]] : [], { last: false });
    if (!proxyHeader) return this.#relayTo(application);
    const header = this.#proxyHeader(service);
    // The header is no byte of the client's: the relay, which grants the client credit, begins when it has left.
    application.handler = {
      readable: () => undefined,
      written: () => {
        if (application.queued === 0) this.#relayTo(application);
      },
      failed: (failure) => {
        stream.cancel();
        this.#finish({ message: `connection failed: ${renderIoError(failure)}`, flag: 'CONNECT' });
      },
    };
    application.write(header, 0, header.length);
  }

  #relayTo(application: Plain): void {
    if (this.#over) return application.close();
    this.#relay = new TunnelRelay({
      stream: this.#options.stream,
      plain: application,
      first: 'stream',
      observer: {
        fromFirst: (bytes) => this.#record?.fromClient(bytes),
        fromSecond: (bytes) => this.#record?.fromServer(bytes),
        finished: (failure?: RelayFailure) => this.#finish(failure && { message: failure.text, flag: 'CONNECT' }),
      },
    });
  }

  #proxyHeader(service: Service | undefined): Buffer {
    const { request, remote, peer, local, connection } = this.#options;
    const authority = parseAuthority(request.authority);
    const port = authority?.port ?? local.port;
    const vip = service?.vips.find((one) => one.network === connection.pod.context.config.network) ?? service?.vips[0];
    const ip = authority?.isAddress === true ? authority.host : (vip?.ip ?? local.ip);
    return encodeProxyHeader(remote, { ip, port }, peer === undefined ? '' : renderSpiffeId(peer));
  }

  /** An answer before the request was routed: one short line. */
  #refuse(status: number, message: string): void {
    const { connection, stream, local: destination, remote: client } = this.#options;
    logEarlyFailure(connection.pod.context.accessLog, { client, destination, direction: 'inbound' }, message);
    stream.respond(status, [], { last: true });
    this.#finish(undefined);
  }

  #reject(status: number, error: ConnectionError): void {
    this.#options.stream.respond(status, [], { last: true });
    this.#finish(error);
  }

  /** Reset, or its connection gone, before it was answered. */
  #abandoned(failure: StreamFailure): void {
    this.#finish({ message: `h2 failed: ${streamFailureText(failure)}`, flag: 'H2_HANDSHAKE_FAILURE' });
  }

  #finish(error: ConnectionError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending?.cancel();
    // Its header is not written yet: no relay ends it.
    if (this.#relay === undefined) this.#application?.close();
    const { connection } = this.#options;
    connection.pod.authorization.ended(this);
    this.#record?.finish(connection.cutFor ?? error);
    connection.streamEnded(this);
  }
}

const NOT_STARTED = { data: () => undefined, ended: () => undefined, writable: () => undefined };

function spansOf({ remote, request }: InboundStreamOptions): readonly LogSpan[] {
  const id = parseTraceId(fieldOf(request, 'traceparent')[0] ?? '') ?? newTraceContext().traceId;
  return [
    {
      name: 'inbound',
      fields: [
        ['id', bare(id)],
        ['peer', bare(formatAddress(remote))],
      ],
    },
  ];
}

function fieldOf(request: TunnelRequest, name: string): string[] {
  return request.fields.filter(([key]) => key === name).map(([, value]) => value);
}

function loopbackOf(ip: string): string {
  return ip.includes(':') ? '::1' : '127.0.0.1';
}
