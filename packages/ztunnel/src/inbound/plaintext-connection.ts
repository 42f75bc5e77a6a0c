import { type Cancellable, type Plain, PlainRelay, type RelayFailure, type SocketAddress } from '@ambientmesh/hbone';
import type { Connection } from '@ambientmesh/policy';
import { capturedDestination } from '../data-plane/captured-destination.ts';
import { dial } from '../data-plane/dial.ts';
import { describePod } from '../data-plane/local-workloads.ts';
import type { Pod, PodConnection } from '../data-plane/pod.ts';
import { isProxyPort, RECURSIVE_CALL } from '../data-plane/proxy-ports.ts';
import { renderIoError } from '../io-error.ts';
import type { LogSpan } from '../log/line.ts';
import type { Workload } from '../state/workload.ts';
import { type ConnectionError, ConnectionRecord, logEarlyFailure } from '../telemetry/connection-record.ts';
import { peerOf, principalOf } from '../telemetry/peer.ts';
import type { PolicedConnection } from './policed-connection.ts';

const NO_SPANS: readonly LogSpan[] = [];

/** A connection to the pod that came without a tunnel (port 15006; spec ztunnel.md §7.2). */
export class PlaintextConnection implements PodConnection, PolicedConnection {
  readonly component = 'inbound passthrough';
  readonly spans = NO_SPANS;
  readonly #pod: Pod;
  readonly #plain: Plain;
  readonly #destination: SocketAddress;
  /** Why it is not known. */
  readonly #unknown: string | undefined;
  #pending: Cancellable | undefined;
  #record: ConnectionRecord | undefined;
  #application: Plain | undefined;
  #relay: PlainRelay | undefined;
  #over = false;

  constructor(pod: Pod, plain: Plain) {
    this.#pod = pod;
    this.#plain = plain;
    const destination = capturedDestination(plain);
    [this.#destination, this.#unknown] =
      typeof destination === 'string' ? [plain.local, destination] : [destination, undefined];
    pod.context.sockets.destination++;
    plain.handler = {
      readable: () => undefined,
      written: () => undefined,
      failed: () => this.#finish(undefined),
    };
  }

  start(): void {
    const { context, info } = this.#pod;
    if (this.#unknown !== undefined) return this.#refuse(this.#unknown);
    if (isProxyPort(context.config, this.#destination.port)) return this.#refuse(RECURSIVE_CALL);
    const pending = context.localWorkloads.resolve(info, (workload) => {
      if (workload !== undefined) return this.#route(workload);
      this.#pod.workloadMissing([]);
      this.#refuse(`failed to fetch information about local workload: ${describePod(info)}`);
    });
    if (pending !== undefined) this.#pending = pending;
  }

  /** Nothing to end early: the connection goes on by itself. */
  drain(): void {}

  cut(reason: ConnectionError): void {
    this.#relay?.abort();
    this.#finish(reason);
  }

  get judged(): Connection {
    const { ip: destinationIp, port: destinationPort } = this.#destination;
    return { identity: undefined, sourceIp: this.#plain.remote.ip, destinationIp, destinationPort };
  }

  get clientPort(): number {
    return this.#plain.remote.port;
  }

  deny(reason: ConnectionError): void {
    if (this.#over) return;
    if (this.#application !== undefined) {
      this.#application.reset();
      this.#plain.reset();
      return this.cut(reason);
    }
    this.#finish(reason, 'hold');
  }

  #route(workload: Workload): void {
    const { context } = this.#pod;
    const client = this.#plain.remote;
    const peer = context.state.workloadByAddress(context.config.network, client.ip);
    this.#record = new ConnectionRecord(
      {
        direction: 'inbound',
        client,
        destination: this.#destination,
        hboneAddress: undefined,
        source: peer && peerOf(peer),
        target: peerOf(workload),
        service: undefined,
        sourceIdentity: '',
        targetIdentity: '',
        targetPrincipal: principalOf(workload),
        mutualTls: false,
        originalDestination: undefined,
      },
      this.#pod.recordContext,
    );
    const refusal = this.#pod.authorization.admit(this, workload);
    if (refusal !== undefined) return this.#finish(refusal, 'hold');
    const source = this.#pod.keepsSource ? { source: client } : {};
    this.#pending = dial(
      this.#pod,
      { to: this.#destination, ...source },
      {
        connected: (application) => this.#join(application),
        failed: (failure) =>
          this.#finish({ message: `connection failed: ${renderIoError(failure)}`, flag: 'CONNECT' }, 'hold'),
      },
    );
  }

  #join(application: Plain): void {
    this.#pending = undefined;
    this.#application = application;
    this.#relay = new PlainRelay(this.#plain, application, {
      fromFirst: (bytes) => this.#record?.fromClient(bytes),
      fromSecond: (bytes) => this.#record?.fromServer(bytes),
      finished: (failure?: RelayFailure) => this.#finish(failure && { message: failure.text, flag: 'CONNECT' }),
    });
  }

  #refuse(message: string): void {
    const facts = { client: this.#plain.remote, destination: this.#destination, direction: 'inbound' } as const;
    logEarlyFailure(this.#pod.context.accessLog, facts, message);
    this.#finish(undefined);
  }

  /** `client`: whether it is held, as its request is on its way and shall not seem answered. */
  #finish(error: ConnectionError | undefined, client: 'close' | 'hold' = 'close'): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending?.cancel();
    const { refusedClients } = this.#pod.context;
    if (client === 'hold') refusedClients.hold(this.#plain, { owner: this.#pod, reporter: 'destination' });
    else if (this.#relay === undefined) this.#plain.close();
    this.#pod.authorization.ended(this);
    this.#record?.finish(error);
    this.#pod.context.sockets.destination--;
    this.#pod.ended(this);
  }
}
