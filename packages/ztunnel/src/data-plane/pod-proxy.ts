import { type Acceptor, type Cancellable, type Plain, TunnelPool } from '@ambientmesh/hbone';
import {
  closeDescriptor,
  listenTcp,
  type Namespace,
  NetnsError,
  setKeepAlive,
  setUserTimeout,
  TcpStock,
} from '@ambientmesh/netns';
import type { Lookup } from '../dns/lookup.ts';
import { HboneConnection } from '../inbound/hbone-connection.ts';
import { PlaintextConnection } from '../inbound/plaintext-connection.ts';
import { PodAuthorization } from '../inbound/pod-authorization.ts';
import { bare, type LogSpan } from '../log/line.ts';
import { OutboundConnection } from '../outbound/outbound-connection.ts';
import { SocksConnection } from '../outbound/socks-connection.ts';
import type { RecordContext } from '../telemetry/connection-record.ts';
import type { DataPlaneContext } from './context.ts';
import { describePod } from './local-workloads.ts';
import { OpeningTunnels } from './opening-tunnels.ts';
import { cutUntrustedTunnels } from './peer-trust.ts';
import { DRAINED, POD_REMOVED, type Pod, type PodConnection, type WantedSocket, type WarningPlace } from './pod.ts';
import type { PodConnections, PodInfo, ProxyComponent } from './protocol.ts';
import type { Recheckable } from './rechecks.ts';
import { tunnelOptions } from './tunnel-options.ts';

/** How a drain goes on. */
export interface DrainObserver {
  /** The last connection of a kind has ended; `forced`: by the deadline. */
  componentDrained(component: ProxyComponent, forced: boolean): void;
  /** All have; `cut` of them by the deadline. */
  drained(cut: number): void;
}

/** A pod as the node agent names it. */
export interface PodOfAgent {
  readonly uid: string;
  readonly info: PodInfo;
}

/** Sockets that nobody has wanted for so long are closed. */
const SOCKETS_HELD_MS = 5000;

const COMPONENTS: readonly ProxyComponent[] = ['inbound passthrough', 'inbound', 'outbound'];

/**
 * The proxy of one pod on one data thread: its listeners in the pod's namespace, its tunnel pool and its running
 * connections. Made with all listeners bound, or not at all.
 */
export class PodProxy implements Pod, Recheckable {
  readonly info: PodInfo;
  readonly namespace: Namespace;
  readonly context: DataPlaneContext;
  readonly pool: TunnelPool;
  readonly opening = new OpeningTunnels();
  readonly authorization: PodAuthorization;
  /** Whether the application sees the client's own address. */
  readonly keepsSource: boolean;
  /** What the records of this pod's connections work with. */
  readonly recordContext: RecordContext;
  readonly #sockets: TcpStock;
  #trimming: Cancellable | undefined;
  /** Of the listeners. */
  readonly #stops: (() => void)[] = [];
  readonly #connections = new Set<PodConnection>();
  readonly #uid: string;
  #drain: Drain | undefined;

  /** `namespace` stays the caller's. @throws {NetnsError} when a listener cannot be made; then none is left. */
  constructor(context: DataPlaneContext, { uid, info }: PodOfAgent, namespace: Namespace) {
    this.context = context;
    this.#uid = uid;
    this.info = info;
    this.namespace = namespace;
    this.authorization = new PodAuthorization(this);
    const { config, engine } = context;
    const { counters, accessLog } = context;
    this.recordContext = { counters, accessLog, now: () => engine.now(), open: new Set() };
    this.pool = new TunnelPool(engine, {
      maxStreamsPerConnection: config.poolMaxStreams,
      unusedReleaseMs: config.poolIdleMs,
      tunnel: tunnelOptions(config),
    });
    this.#sockets = new TcpStock(namespace, {
      mark: config.packetMark,
      // Whichever engine connects it sets this.
      noDelay: false,
      keepAlive: config.keepAlive,
      ...(config.userTimeoutMs === undefined ? {} : { userTimeoutMs: config.userTimeoutMs }),
    });
    const { ports } = config;
    const bound: { fd: number; serve: (plain: Plain) => void }[] = [];
    try {
      const hbone = this.#bind(ports.inboundHbone);
      bound.push({ fd: hbone.fd, serve: (plain) => this.#serve(new HboneConnection(this, plain)) });
      const plaintext = this.#bind(ports.inboundPlaintext);
      bound.push({ fd: plaintext.fd, serve: (plain) => this.#serve(new PlaintextConnection(this, plain)) });
      const outbound = this.#bind(ports.outbound);
      bound.push({ fd: outbound.fd, serve: (plain) => this.#serve(new OutboundConnection(this, plain)) });
      for (const { fd } of [plaintext, outbound]) this.#tune(fd);
      if (config.socks5Port !== undefined)
        bound.push({
          fd: this.#bind(config.socks5Port, '127.0.0.1').fd,
          serve: (plain) => this.#serve(new SocksConnection(this, plain)),
        });
      this.keepsSource = config.originalSource !== 'off' && hbone.transparent && plaintext.transparent;
    } catch (error) {
      for (const { fd } of bound) closeDescriptor(fd);
      throw error;
    }
    for (const { fd, serve } of bound) {
      const acceptor: Acceptor = {
        accepted: serve,
        failed: (failure) => {
          if (!context.accepting.paused(acceptor, failure)) this.warn(`accept failed: ${failure.message}`);
        },
        resumed: () => context.accepting.resumed(acceptor),
      };
      const listening = engine.listen(fd, acceptor);
      this.#stops.push(() => {
        listening.close();
        context.accepting.resumed(acceptor);
      });
    }
  }

  /** Connections being served. */
  get size(): number {
    return this.#connections.size;
  }

  /** The open connections, for the dump. */
  get connections(): PodConnections {
    const records = [...this.recordContext.open];
    const of = (direction: 'inbound' | 'outbound') =>
      records.filter((record) => record.direction === direction).map((record) => record.describe());
    return { inbound: of('inbound'), outbound: of('outbound') };
  }

  /** An unconnected, marked socket in the pod's namespace. */
  openSocket(wanted: WantedSocket): number {
    const { config } = this.context;
    const { source } = wanted;
    const { fd, sourceKept } = this.#sockets.take(wanted);
    this.#trimSockets();
    if (fd >= config.descriptorLimits.dialled) {
      closeDescriptor(fd);
      throw new NetnsError('NETNS_SYSTEM_CALL', 'Too many open files (os error 24)', { errno: 'EMFILE' });
    }
    if (source !== undefined && !sourceKept)
      this.warn(`cannot connect from ${source}: the application will see the pod's own address`);
    return fd;
  }

  /** Looks a name up as the pod's own queries would be; absent without a DNS proxy. */
  get lookup(): Lookup | undefined {
    const { config, lookups } = this.context;
    if (!config.lookups) return undefined;
    return (name, family, done) => lookups.lookup({ uid: this.#uid, name, family }, done);
  }

  warn(message: string, { scope = 'proxy', spans = [] }: WarningPlace = {}): void {
    this.context.log.line({ level: 'warn', scope, message, fields: [], spans: [this.span, ...spans] });
  }

  /** Discovery has not told of this pod's workload in time. `spans`: what the connection was inside of. */
  workloadMissing(spans: readonly LogSpan[]): void {
    this.warn(`timed out waiting for workload '${describePod(this.info)}' from xds`, { scope: 'state', spans });
  }

  /** What log lines about this pod are inside of. */
  get span(): LogSpan {
    return { name: 'proxy', fields: [['wl', bare(`${this.info.namespace}/${this.info.name}`)]] };
  }

  /** To be called by every connection when it has ended. */
  ended(connection: PodConnection): void {
    if (this.#connections.delete(connection)) this.#drain?.connectionEnded(connection);
  }

  /** Listeners close; connections go on until they end or the deadline passes. */
  drain(deadlineMs: number, observer: DrainObserver): void {
    this.#stopListening();
    const drain = new Drain(this.#connections, observer, (done) =>
      this.pool.drain(() => {
        this.#drain = undefined;
        deadline.cancel();
        done();
      }),
    );
    this.#drain = drain;
    const deadline = this.context.engine.after(deadlineMs, () => {
      drain.force();
      for (const connection of this.#connections) connection.cut(DRAINED);
      drain.look();
      this.pool.close();
      this.context.refusedClients.closeOf(this);
    });
    for (const connection of this.#connections) connection.drain();
    this.context.refusedClients.closeOf(this);
    drain.look();
  }

  /** What peers are trusted by has changed: tunnels whose peers are not any more end. One connection a step. */
  *recheck(): Generator<void> {
    for (const connection of this.#connections) {
      connection.recheckPeer?.();
      yield;
    }
    yield* cutUntrustedTunnels(this.pool, this.context);
  }

  /** The pod is gone: everything ends now. */
  stop(): void {
    this.#stopListening();
    for (const connection of this.#connections)
      connection.cut(connection.component === 'inbound' ? POD_REMOVED : DRAINED);
    this.authorization.close();
    this.context.lookups.forget(this.#uid);
    this.context.rechecks.forget(this);
    this.pool.close();
    this.context.refusedClients.closeOf(this);
    this.#trimming?.cancel();
    this.#sockets.close();
  }

  #bind(port: number, ip = this.context.config.ipv6 ? '::' : '0.0.0.0') {
    const { config } = this.context;
    return listenTcp(this.namespace, {
      ip,
      port,
      mark: config.packetMark,
      reusePort: config.portReuse,
      transparent: config.originalSource,
    });
  }

  #serve(connection: PodConnection & { start(): void }): void {
    this.#connections.add(connection);
    connection.start();
  }

  /** Keep-alive of connections that applications make, which they inherit; tunnels have their own liveness. */
  #tune(listener: number): void {
    const { keepAlive, userTimeoutMs } = this.context.config;
    if (keepAlive !== false) setKeepAlive(listener, keepAlive);
    if (userTimeoutMs !== undefined) setUserTimeout(listener, userTimeoutMs);
  }

  /** Until none is held. */
  #trimSockets(): void {
    if (this.#trimming !== undefined || this.#sockets.size === 0) return;
    this.#trimming = this.context.engine.after(SOCKETS_HELD_MS, () => {
      this.#trimming = undefined;
      this.#sockets.trim();
      this.#trimSockets();
    });
  }

  #stopListening(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}

/** Watches the connections of a proxy that takes no new ones go. */
class Drain {
  readonly #connections: ReadonlySet<PodConnection>;
  readonly #observer: DrainObserver;
  readonly #closePool: (done: () => void) => void;
  readonly #left = new Set(COMPONENTS);
  /** Counted: ten thousand connections that end in one turn must not each look at all the others. */
  readonly #running = new Map<ProxyComponent, number>();
  #cut = 0;
  #finished = false;

  constructor(connections: ReadonlySet<PodConnection>, observer: DrainObserver, closePool: (done: () => void) => void) {
    this.#connections = connections;
    this.#observer = observer;
    this.#closePool = closePool;
    for (const { component } of connections) this.#running.set(component, (this.#running.get(component) ?? 0) + 1);
  }

  /** The deadline has come: what is left is about to be cut. */
  force(): void {
    this.#cut = this.#connections.size;
  }

  connectionEnded({ component }: PodConnection): void {
    this.#running.set(component, (this.#running.get(component) ?? 0) - 1);
    this.look();
  }

  /** Tells what is over. */
  look(): void {
    for (const component of this.#left) {
      if ((this.#running.get(component) ?? 0) > 0) continue;
      this.#left.delete(component);
      this.#observer.componentDrained(component, this.#cut > 0);
    }
    if (this.#left.size > 0 || this.#finished) return;
    this.#finished = true;
    // The last connections have handed over all bytes, but tunnels may still be sending them.
    this.#closePool(() => this.#observer.drained(this.#cut));
  }
}
