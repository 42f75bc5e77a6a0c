/** A pod without a namespace: real sockets on loopback, real TLS, and dials that lead where a test says. */
import { createServer, Socket } from 'node:net';
import {
  type Cancellable,
  type ConnectHandler,
  type ConnectOptions,
  type Engine,
  type Plain,
  TunnelPool,
} from '@ambientmesh/hbone';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { formatAddress } from '../../address.ts';
import { Denials } from '../../inbound/denials.ts';
import { explainDenials } from '../../inbound/explain-denial.ts';
import { PodAuthorization } from '../../inbound/pod-authorization.ts';
import { bare, type LogSpan } from '../../log/line.ts';
import { createLogBacklog } from '../../log/log-backlog.ts';
import { LoadBalancer } from '../../outbound/load-balancer.ts';
import { UpstreamSelector } from '../../outbound/upstream.ts';
import { MeshPolicies } from '../../state/mesh-policies.ts';
import { MeshState } from '../../state/mesh-state.ts';
import { AccessLog } from '../../telemetry/access-log.ts';
import { Counters } from '../../telemetry/counters.ts';
import { ThreadLog } from '../../telemetry/thread-log.ts';
import { Accepting } from '../accepting.ts';
import { ThreadCertificates } from '../certificates.ts';
import type { DataPlaneContext } from '../context.ts';
import { DialQueue } from '../dial-queue.ts';
import { LocalWorkloads } from '../local-workloads.ts';
import { NameLookups } from '../name-lookups.ts';
import { OpeningTunnels } from '../opening-tunnels.ts';
import type { Pod, PodConnection } from '../pod.ts';
import type { CertificateMaterial, DataPlaneConfig, PodInfo } from '../protocol.ts';
import { Rechecks } from '../rechecks.ts';
import { RefusedClients } from '../refused-clients.ts';
import { Revocations } from '../revocations.ts';
import { TrustedPeers } from '../trusted-peers.ts';
import { tunnelOptions } from '../tunnel-options.ts';

/** As the reference's defaults, without source spoofing. */
export const TEST_CONFIG: DataPlaneConfig = {
  thread: 0,
  threads: 1,
  network: '',
  clusterId: 'Kubernetes',
  packetMark: 1337,
  portReuse: true,
  ipv6: true,
  originalSource: 'off',
  ports: { outbound: 15_001, inboundPlaintext: 15_006, inboundHbone: 15_008 },
  keepAlive: false,
  userTimeoutMs: undefined,
  poolMaxStreams: 100,
  poolIdleMs: 300_000,
  streamWindow: 4_194_304,
  connectionWindow: 16_777_216,
  maxFrame: 1_048_576,
  responseBaggage: true,
  lookups: false,
  socks5Port: undefined,
  logFormat: 'plain',
  accessLog: { info: true, debug: false },
  policyLog: 'off',
  policyCutLog: true,
  unknownPolicy: 'deny',
  descriptorLimits: { accepted: 1_000_000, dialled: 1_000_000 },
  unsentBytes: 268_435_456,
  tlsRecords: 'own',
};

/** A dial of the proxy. */
export interface Dialled {
  readonly to: string;
  cancelled: boolean;
}

/** What a test holds of a pod. */
export interface TestPod {
  readonly pod: Pod;
  readonly context: DataPlaneContext;
  readonly state: MeshState;
  /** Identities asked of the control thread. */
  readonly wanted: string[];
  /** Log lines without their time. */
  readonly lines: () => string[];
  readonly connections: Set<PodConnection>;
  readonly dialled: Dialled[];
  /** `ip:port` of a dial -> port on 127.0.0.1; others stay without an answer. */
  readonly routes: Map<string, number>;
  /** Moves the engine's clock: timers that become due are called now. */
  readonly advance: (ms: number) => void;
  /** Serves `connection` as a listener of the pod's would. */
  readonly serve: (connection: PodConnection & { start(): void }) => void;
}

export interface TestPodOptions {
  readonly info?: PodInfo;
  readonly config?: Partial<DataPlaneConfig>;
}

const SERVER: PodInfo = { name: 'server', namespace: 'default', serviceAccount: 'default' };

export function createTestPod(options: TestPodOptions = {}): TestPod {
  const { info = SERVER } = options;
  const config = { ...TEST_CONFIG, ...options.config };
  const dialled: Dialled[] = [];
  const routes = new Map<string, number>();
  const engine = new RoutedEngine(routes, dialled);
  const state = new MeshState();
  const wanted: string[] = [];
  let text = '';
  const log = new ThreadLog({
    engine,
    backlog: createLogBacklog(),
    format: config.logFormat,
    write: (more) => (text += more),
  });
  const certificates = new ThreadCertificates(engine, (identity) => wanted.push(identity));
  const sockets = { source: 0, destination: 0 };
  const policies = new MeshPolicies({ missing: config.unknownPolicy });
  const context: DataPlaneContext = {
    config,
    engine,
    state,
    policies,
    denials: new Denials(explainDenials(policies)),
    localWorkloads: new LocalWorkloads(state, engine),
    certificates,
    trustedPeers: new TrustedPeers((identity) => certificates.rootsOf(identity)),
    rechecks: new Rechecks(engine),
    revocations: new Revocations(),
    selector: new UpstreamSelector(state, new LoadBalancer(() => 0), config.network),
    counters: new Counters(),
    accessLog: new AccessLog(log, config.accessLog),
    log,
    sockets,
    refusedClients: new RefusedClients(engine, sockets),
    lookups: new NameLookups(engine, () => undefined),
    accepting: new Accepting(engine, log),
    dials: new DialQueue(engine),
  };
  const connections = new Set<PodConnection>();
  const { counters, accessLog } = context;
  const span: LogSpan = { name: 'proxy', fields: [['wl', bare(`${info.namespace}/${info.name}`)]] };
  const pod: Pod = {
    info,
    context,
    recordContext: { counters, accessLog, now: () => engine.now(), open: new Set() },
    pool: new TunnelPool(engine, { tunnel: tunnelOptions(config) }),
    opening: new OpeningTunnels(),
    keepsSource: config.originalSource !== 'off',
    lookup: undefined,
    openSocket: () => -1,
    span,
    get authorization() {
      return authorization;
    },
    warn: (message, { scope = 'proxy', spans = [] } = {}) =>
      log.line({ level: 'warn', scope, message, fields: [], spans: [span, ...spans] }),
    workloadMissing: () => undefined,
    ended: (connection) => connections.delete(connection),
  };
  const authorization = new PodAuthorization(pod);
  const lines = (): string[] => {
    log.flush();
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(line.indexOf('\t') + 1)]));
  };
  const serve = (connection: PodConnection & { start(): void }): void => {
    connections.add(connection);
    connection.start();
  };
  const advance = (ms: number): void => engine.advance(ms);
  return { pod, context, state, wanted, lines, connections, dialled, routes, advance, serve };
}

/** A certificate of `authority` for a service account of namespace `default`. */
export async function issueMaterial(authority: CertificateAuthority, account: string): Promise<CertificateMaterial> {
  const identity = `spiffe://${authority.trustDomain}/ns/default/sa/${account}`;
  const { chainPem, privateKeyPem } = await authority.issue({ uris: [identity] });
  return { identity, chainPem, privateKeyPem, rootsPem: [authority.rootPem] };
}

/** An authority for the trust domain of the fixtures. */
export function createAuthority(): Promise<CertificateAuthority> {
  return CertificateAuthority.create({ trustDomain: 'cluster.local' });
}

/** Listens on a free port of 127.0.0.1; `accepted` gets every connection as the engine has them. */
export async function listen(accepted: (plain: Plain) => void, cleanup: (undo: () => void) => void): Promise<number> {
  const engine = createTestEngine();
  return listenSockets((socket) => accepted(engine.adopt(socket)), cleanup);
}

/** The same for Node's own sockets. */
export async function listenSockets(
  accepted: (socket: Socket) => void,
  cleanup: (undo: () => void) => void,
): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    cleanup(() => socket.destroy());
    accepted(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The real engine, but for dials: they follow the routes of a test. Its clock may be ahead. */
class RoutedEngine implements Engine {
  readonly #engine = createTestEngine();
  readonly #routes: ReadonlyMap<string, number>;
  readonly #dialled: Dialled[];
  readonly #timers = new Set<{ readonly dueMs: number; fire(): void }>();
  #aheadMs = 0;

  constructor(routes: ReadonlyMap<string, number>, dialled: Dialled[]) {
    this.#routes = routes;
    this.#dialled = dialled;
  }

  connect({ to }: ConnectOptions, handler: ConnectHandler): Cancellable {
    const dial: Dialled = { to: formatAddress(to), cancelled: false };
    this.#dialled.push(dial);
    const port = this.#routes.get(dial.to);
    const socket = new Socket({ allowHalfOpen: true });
    socket.pause();
    const refused = (): void => handler.failed({ code: 'ECONNREFUSED', message: 'Connection refused' });
    socket.on('error', refused);
    if (port !== undefined)
      socket.connect({ port, host: '127.0.0.1' }, () => {
        socket.off('error', refused);
        handler.connected(this.#engine.adopt(socket));
      });
    return {
      cancel: () => {
        dial.cancelled = true;
        if (socket.connecting) socket.destroy();
      },
    };
  }

  adopt(socket: Socket): Plain {
    return this.#engine.adopt(socket);
  }

  now(): number {
    return this.#engine.now() + this.#aheadMs;
  }

  after(ms: number, callback: () => void): Cancellable {
    const cancel = (): void => {
      this.#timers.delete(timer);
      real.cancel();
    };
    const fire = (): void => {
      cancel();
      callback();
    };
    const timer = { dueMs: this.now() + ms, fire };
    const real = this.#engine.after(ms, fire);
    this.#timers.add(timer);
    return { cancel };
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
    for (const timer of this.#timers) if (timer.dueMs <= this.now()) timer.fire();
  }

  listen: Engine['listen'] = (descriptor, acceptor) => this.#engine.listen(descriptor, acceptor);
  credentials: Engine['credentials'] = (source) => this.#engine.credentials(source);
  secureServer: Engine['secureServer'] = (plain, tls, handler) => this.#engine.secureServer(plain, tls, handler);
  secureClient: Engine['secureClient'] = (plain, tls, handler) => this.#engine.secureClient(plain, tls, handler);
  atEndOfTurn: Engine['atEndOfTurn'] = (callback) => this.#engine.atEndOfTurn(callback);
}
