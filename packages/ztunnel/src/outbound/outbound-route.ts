import {
  type Cancellable,
  type ClientStream,
  type ConnectionFailure,
  type Plain,
  PlainRelay,
  type RelayFailure,
  type SocketAddress,
  type StreamFailure,
  streamFailureText,
  TunnelRelay,
} from '@ambientmesh/hbone';
import { formatAddress } from '../address.ts';
import type { HeldCertificate } from '../data-plane/certificates.ts';
import { dial } from '../data-plane/dial.ts';
import { describePod } from '../data-plane/local-workloads.ts';
import { DRAINED, lostTrustOf, type Pod, type PodConnection, UNTRUSTED } from '../data-plane/pod.ts';
import { isProxyPort, RECURSIVE_CALL } from '../data-plane/proxy-ports.ts';
import { renderIoError } from '../io-error.ts';
import { identityText } from '../state/identity.ts';
import type { Workload } from '../state/workload.ts';
import { type ConnectionError, ConnectionRecord, logEarlyFailure } from '../telemetry/connection-record.ts';
import { peerOf, principalOf } from '../telemetry/peer.ts';
import { newTraceContext } from '../telemetry/trace-context.ts';
import { ReadAhead } from './read-ahead.ts';
import { TunnelDialer } from './tunnel-dialer.ts';
import { outboundSpan, tunnelLossLog } from './tunnel-loss.ts';
import { tunnelFields } from './tunnel-request.ts';
import { HBONE_PORT, type Upstream } from './upstream.ts';

type HboneUpstream = Extract<Upstream, { kind: 'hbone' }>;
type TcpUpstream = Extract<Upstream, { kind: 'tcp' }>;

/**
 * Takes one application's connection to where it goes: chooses the upstream, dials it plainly or through a tunnel, relays
 * and accounts. Nothing is read from the application before the other side is there.
 */
export class OutboundRoute implements PodConnection {
  readonly component = 'outbound';
  protected readonly pod: Pod;
  protected readonly plain: Plain;
  protected readonly trace = newTraceContext();
  /** `plain`, as the relay reads it. */
  #source: Plain;
  #pending: Cancellable | undefined;
  #record: ConnectionRecord | undefined;
  #relay: { abort(): void } | undefined;
  #over = false;

  constructor(pod: Pod, plain: Plain) {
    this.pod = pod;
    this.plain = plain;
    this.#source = plain;
    pod.context.sockets.source++;
    this.watch();
  }

  /** Hears that the application gave up, until a relay takes over. */
  protected watch(): void {
    this.plain.handler = {
      readable: () => undefined,
      written: () => undefined,
      failed: () => this.finish(undefined),
    };
  }

  /** Nothing to end early: the connection goes on by itself. */
  drain(): void {}

  cut(reason: ConnectionError): void {
    this.#relay?.abort();
    this.finish(reason);
  }

  /** Starts on the way to `target`. `leading`: bytes for it that were read already. */
  protected route(target: SocketAddress, leading?: Uint8Array): void {
    if (leading !== undefined && leading.length > 0) this.#source = new ReadAhead(this.plain, leading);
    const { context, info } = this.pod;
    if (isLoopback(target.ip) && isProxyPort(context.config, target.port)) return this.refuse(target, RECURSIVE_CALL);
    this.#wait(
      context.localWorkloads.resolve(info, (source) => {
        if (source !== undefined) return this.#choose(source, target);
        this.pod.workloadMissing([outboundSpan(this.trace.traceId)]);
        this.refuse(target, `failed to fetch information about local workload: ${describePod(info)}`);
      }),
    );
  }

  /** Ends it before it had a route. */
  protected refuse(target: SocketAddress, message: string, client: 'close' | 'hold' = 'close'): void {
    const facts = { client: this.plain.remote, destination: target, direction: 'outbound' } as const;
    logEarlyFailure(this.pod.context.accessLog, facts, message);
    this.finish(undefined, client);
  }

  /** `client`: whether the application is held, as its request is on its way and shall not seem answered. */
  protected finish(error: ConnectionError | undefined, client: 'close' | 'hold' = 'close'): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending?.cancel();
    const { refusedClients } = this.pod.context;
    if (client === 'hold') refusedClients.hold(this.plain, { owner: this.pod, reporter: 'source' });
    else if (this.#relay === undefined) this.plain.close();
    this.#record?.finish(error);
    this.pod.context.sockets.source--;
    this.pod.ended(this);
  }

  /** Without one to wait for the answer has come already, and what it started is pending. */
  #wait(pending: Cancellable | undefined): void {
    if (pending !== undefined) this.#pending = pending;
  }

  #choose(source: Workload, target: SocketAddress): void {
    const upstream = this.pod.context.selector.select({ source, clientIp: this.plain.remote.ip, target });
    if (upstream.kind === 'none') return this.refuse(target, upstream.message, 'hold');
    if (upstream.kind === 'tcp' && this.#isRoundTrip(upstream.to)) return this.refuse(target, RECURSIVE_CALL);
    this.#open(source, upstream, target);
    if (upstream.kind === 'tcp') this.#dialPlain(upstream);
    else this.#openTunnel(source, upstream);
  }

  /** The pod calls this very listener: without a tunnel, whose other end refuses the port, that would go on for ever. */
  #isRoundTrip(to: SocketAddress): boolean {
    return to.ip === this.plain.remote.ip && to.port === this.pod.context.config.ports.outbound;
  }

  #open(source: Workload, upstream: HboneUpstream | TcpUpstream, target: SocketAddress): void {
    const tunnelled = upstream.kind === 'hbone';
    const { workload } = upstream;
    this.#record = new ConnectionRecord(
      {
        direction: 'outbound',
        client: this.plain.remote,
        destination: tunnelled ? upstream.nextHop : upstream.to,
        hboneAddress: tunnelled ? upstream.authority : undefined,
        source: peerOf(source),
        target: workload && peerOf(workload),
        service: upstream.service,
        sourceIdentity: tunnelled ? identityText(source) : '',
        targetIdentity: tunnelled ? identityText(upstream.workload) : '',
        targetPrincipal: principalOf(workload),
        mutualTls: tunnelled,
        originalDestination: formatAddress(target),
      },
      this.pod.recordContext,
    );
  }

  #dialPlain(upstream: TcpUpstream): void {
    this.#pending = dial(
      this.pod,
      { to: upstream.to },
      {
        connected: (server) => {
          this.#pending = undefined;
          this.#relay = new PlainRelay(this.#source, server, this.#observer());
        },
        failed: (failure) => this.finish({ message: `io error: ${renderIoError(failure)}`, flag: 'CONNECT' }, 'hold'),
      },
    );
  }

  #openTunnel(source: Workload, upstream: HboneUpstream): void {
    this.#wait(
      this.pod.context.certificates.request(identityText(source), {
        ready: (certificate) => this.#requestTunnel(source, upstream, certificate),
        unavailable: (message) =>
          this.finish({ message: `identity error: ${message}`, flag: 'IDENTITY_ERROR' }, 'hold'),
      }),
    );
  }

  #requestTunnel(source: Workload, upstream: HboneUpstream, certificate: HeldCertificate): void {
    const dialer = new TunnelDialer(this.pod, certificate, upstream);
    const request = {
      authority: upstream.authority,
      client: this.plain.remote,
      source,
      service: upstream.service,
      trace: this.trace,
    };
    this.#pending = this.pod.pool.open(
      {
        key: dialer.key(this.plain.remote.ip),
        dial: (handler) => dialer.dial(handler),
        fields: tunnelFields(request),
        connectionLost: tunnelLossLog(this.pod, this.trace.traceId),
      },
      {
        opened: (stream) => {
          this.#pending = { cancel: () => stream.cancel() };
        },
        response: (stream, status) => this.#answered(stream, status),
        failed: (failure) => this.#unreachable(streamError(failure)),
        dialFailed: (failure) => this.#unreachable(dialError(failure)),
      },
    );
  }

  #answered(stream: ClientStream, status: number): void {
    if (status === 200) return this.#join(stream);
    // Loaded only now: nothing else in a data thread needs it.
    const reason = process.getBuiltinModule('node:http').STATUS_CODES[status] ?? '';
    this.#unreachable({ message: `http status: ${status} ${reason}`.trimEnd(), flag: 'CONNECT' });
  }

  /** The other end did not let it in, or this one goes away or trusts the other no more. */
  #unreachable(error: ConnectionError): void {
    if (error === UNTRUSTED) this.plain.reset();
    this.finish(error, error === DRAINED || error === UNTRUSTED ? 'close' : 'hold');
  }

  #join(stream: ClientStream): void {
    this.#pending = undefined;
    this.#relay = new TunnelRelay({ stream, plain: this.#source, first: 'plain', observer: this.#observer() });
  }

  #relayed(error: ConnectionError | undefined): void {
    // What a server said that nobody trusts shall not seem whole. The relay has just closed the socket: that waits.
    if (error === UNTRUSTED) this.plain.reset();
    this.finish(error);
  }

  #observer() {
    return {
      fromFirst: (bytes: number) => this.#record?.fromClient(bytes),
      fromSecond: (bytes: number) => this.#record?.fromServer(bytes),
      finished: (failure?: RelayFailure) => this.#relayed(failure && relayError(failure)),
    };
  }
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

/** A tunnel that did not come about (spec ztunnel.md §11.1). */
function dialError(failure: ConnectionFailure): ConnectionError {
  if (failure.code === 'ABORTED') return DRAINED;
  if (failure.code === 'ETIMEDOUT')
    return {
      message: `connection timed out, maybe a NetworkPolicy is blocking HBONE port ${HBONE_PORT}: ${renderIoError(failure)}`,
      flag: 'NETWORK_POLICY',
    };
  return { message: `io error: ${renderIoError(failure)}`, flag: 'CONNECT' };
}

/** A request that ended before its answer; the server refuses our certificate only after our side of the handshake. */
function streamError(failure: StreamFailure): ConnectionError {
  if (failure.kind === 'connection' && failure.failure.code === 'ABORTED')
    return lostTrustOf(failure.failure.message) ?? DRAINED;
  return { message: `h2 failed: ${streamFailureText(failure)}`, flag: 'H2_HANDSHAKE_FAILURE' };
}

function relayError(failure: RelayFailure): ConnectionError {
  return lostTrustOf(failure.text) ?? { message: failure.text, flag: 'CONNECT' };
}
