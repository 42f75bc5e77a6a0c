import { setTimeout as delay } from 'node:timers/promises';
import { probe, raiseFileLimit } from '@ambientmesh/netns';
import { ZdsClient } from '@ambientmesh/zds';
import type { StateChange } from '../data-plane/protocol.ts';
import { startDataThreads } from '../data-plane/threads.ts';
import { readResolvConf } from '../dns/resolv-conf.ts';
import type { LogBacklog } from '../log/log-backlog.ts';
import type { LogRoot } from '../log/logger.ts';
import { CaSource } from './certificates/ca-source.ts';
import { systemClock } from './certificates/certificate-source.ts';
import { CertificateManager } from './certificates/manager.ts';
import { CertificatePrefetcher } from './certificates/prefetcher.ts';
import type { ZtunnelConfig } from './config/config.ts';
import { describeConfig } from './config/describe-config.ts';
import { renderYaml } from './config/render-yaml.ts';
import { renderConfigDump } from './config-dump.ts';
import { CrlFile } from './crl-file.ts';
import { dataPlaneConfig, logLevels } from './data-plane-config.ts';
import { DataThreads } from './data-threads.ts';
import { PodDns } from './dns/pod-dns.ts';
import { Engines } from './engines.ts';
import { ZtunnelError } from './errors.ts';
import { Heartbeats } from './heartbeats.ts';
import { LocalConfigFile } from './local-config/local-config-file.ts';
import { emptySnapshot, type MeshSnapshot } from './local-config/mesh-snapshot.ts';
import { PodProxies } from './pod-proxies.ts';
import { adminPages } from './servers/admin-page.ts';
import { type HttpListener, listenHttp } from './servers/http-listener.ts';
import { metricsPages } from './servers/metrics-page.ts';
import { Readiness } from './servers/readiness.ts';
import { readinessPages } from './servers/readiness-page.ts';
import { DnsMetrics } from './telemetry/dns-metrics.ts';
import { localConfigFamilies } from './telemetry/local-config-metrics.ts';
import { droppedLinesFamily } from './telemetry/log-metrics.ts';
import { renderOpenMetrics } from './telemetry/open-metrics.ts';
import { buildFamily, processFamilies, workloadFamilies } from './telemetry/process-metrics.ts';
import { RevocationMetrics } from './telemetry/revocation-metrics.ts';
import { TcpMetrics } from './telemetry/tcp-metrics.ts';
import { ThreadMetrics } from './telemetry/thread-metrics.ts';
import { ThreadDiagnoses } from './thread-diagnoses.ts';
import { renderVersion } from './version.ts';

/** What a scrape waits for the counters of a data thread; they count at the next scrape if they come later. */
const reportLimitMs = 1000;

/** What open requests to the process's own servers get to be finished when everything else is. */
const openRequestsMs = 1000;

/** What asked for the end of the process. */
export type DrainCause = 'SIGTERM' | 'SIGINT' | 'quitquitquit';

export interface ZtunnelOptions {
  readonly config: ZtunnelConfig;
  readonly log: LogRoot;
  /** Program of the data threads: it calls `runDataThread`. */
  readonly program: URL;
  /** Program of the threads that read a large local configuration: it calls `runLocalConfigThread`. Without it none is started. */
  readonly localConfigProgram?: URL;
  /** Command line, as shown. */
  readonly args: readonly string[];
  /** Makes the data threads; tests pass others. */
  readonly startThreads?: typeof startDataThreads;
}

/** The node proxy: servers, certificates, pods and data threads of one process. */
export class Ztunnel {
  readonly #options: ZtunnelOptions;
  readonly #readiness: Readiness;
  readonly #metrics = new TcpMetrics();
  readonly #dnsMetrics = new DnsMetrics();
  readonly #revocationMetrics = new RevocationMetrics();
  readonly #threadMetrics: ThreadMetrics;
  readonly #crl: CrlFile;
  readonly #localConfig: LocalConfigFile | undefined;
  readonly #prefetcher: CertificatePrefetcher;
  readonly #certificates: CertificateManager;
  readonly #caSource: CaSource;
  readonly #dns: PodDns;
  readonly #pods: PodProxies;
  readonly #zds: ZdsClient;
  readonly #stopZds = new AbortController();
  readonly #listeners: HttpListener[] = [];
  readonly #engines: Engines;
  readonly #diagnoses = new ThreadDiagnoses(() => this.#running());
  #threads: DataThreads | undefined;
  #heartbeats: Heartbeats | undefined;
  #logBacklogs: readonly LogBacklog[] = [];
  #zdsEnded: Promise<void> = Promise.resolve();
  #maxDescriptors = 0;
  #draining: Promise<void> | undefined;
  readonly #end = Promise.withResolvers<void>();

  constructor(options: ZtunnelOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#readiness = new Readiness(['state manager', 'proxy', 'workload proxy manager'], log.logger('readiness'));
    this.#caSource = new CaSource({
      ca: config.ca,
      clusterId: config.clusterId,
      validitySeconds: config.secretTtlSeconds,
      logger: log.logger('identity::caclient', [{ name: 'fetch_certificate', fields: [] }]),
    });
    this.#certificates = new CertificateManager({
      source: this.#caSource,
      clock: systemClock,
      random: Math.random,
      publish: (message) => this.#threads?.broadcast(message),
      logger: log.logger('identity::manager'),
    });
    this.#prefetcher = new CertificatePrefetcher({
      manager: this.#certificates,
      nodeName: config.nodeName,
      logger: log.logger('cert_fetcher'),
    });
    this.#localConfig =
      config.localXds &&
      new LocalConfigFile({
        source: config.localXds,
        clock: systemClock,
        logger: log.logger('xds', [{ name: 'local_client', fields: [] }]),
        program: options.localConfigProgram,
      });
    this.#threadMetrics = new ThreadMetrics(config.unsentBytes);
    this.#engines = new Engines(log.logger('data_thread'));
    this.#crl = new CrlFile({
      path: config.crlPath,
      clock: systemClock,
      publish: (file) => this.#threads?.broadcast({ type: 'revocations', file }),
      logger: log.logger('tls::crl'),
    });
    this.#dns = new PodDns({ config, log, resolvConf: readResolvConf() });
    this.#pods = new PodProxies({ threads: () => this.#running(), log, ipv6: config.ipv6, dns: this.#dns });
    this.#zds = new ZdsClient({
      path: config.inpodUds,
      handler: this.#pods,
      loggerFor: (scope) => log.logger(scope),
      onReadiness: (ready) => {
        if (ready) this.#readiness.complete('workload proxy manager');
        else this.#readiness.reopen('workload proxy manager');
      },
    });
    // Told to whoever waits for `ended`; nobody may wait yet.
    this.#end.promise.catch(() => undefined);
  }

  /**
   * Resolves when the drain is over; rejects with what makes going on impossible: ZtunnelError (ZTUNNEL_DATA_THREAD_LOST),
   * the reason of `abort`, or the fault of the node agent (ZDS_PROTOCOL_FATAL, which the log has told already). The caller
   * ends the process.
   */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  /**
   * Starts everything in the order of spec ztunnel.md §1 and connects to the node agent; stops where it is when a drain
   * begins meanwhile. Throws ZtunnelError
   * (ZTUNNEL_PERMISSION, ZTUNNEL_LISTEN, ZTUNNEL_LOCAL_CONFIG_INVALID); the process is to be ended then.
   */
  async start(): Promise<void> {
    const { config, log } = this.#options;
    this.#logStart();
    checkCapabilities(config);
    await this.#listen('readiness', anyHosts(config), {
      port: config.ports.readiness,
      answer: readinessPages(this.#readiness, {
        ping: () => this.#ping(),
        stuck: () => this.#heartbeats?.stuck ?? [],
      }),
    });
    await this.#localConfig?.start();
    if (this.#draining !== undefined) return;
    this.#startDataPlane();
    const stateKnown = this.#localConfig?.attach((changes) => this.#applyState(changes));
    // Before the first pod: no connection is to be accepted that the lists forbid.
    await this.#crl.start();
    if (this.#draining !== undefined) return;
    log.logger('app').info([], 'shared proxy mode - in-pod mode enabled');
    await this.#listen('admin', ['127.0.0.1', '::1'], {
      port: config.ports.admin,
      answer: adminPages({
        log,
        initialFilter: config.logFilter,
        filterChanged: (filter) => this.#running().broadcast({ type: 'log-levels', levels: logLevels(config, filter) }),
        quit: () => this.drain('quitquitquit'),
        dump: () => this.#dump(),
        diagnoses: this.#diagnoses,
        denials: () => this.#running().listDenials(reportLimitMs),
        policies: () => ({
          mesh: this.#mesh,
          localConfig: this.#localConfig?.status,
          unknownPolicy: config.unknownPolicy,
        }),
      }),
    });
    await this.#listen('stats', anyHosts(config), {
      port: config.ports.stats,
      answer: metricsPages(() => this.#renderMetrics()),
    });
    // Until then a pod would know nothing of the mesh: it is not enrolled before.
    await stateKnown;
    // A drain that came meanwhile has ended what there was; pods would be started after it.
    if (this.#draining !== undefined) return;
    this.#readiness.complete('proxy');
    this.#readiness.complete('state manager');
    this.#zdsEnded = this.#zds.run(this.#stopZds.signal);
    this.#zdsEnded.catch((error: unknown) => this.#fail(error));
  }

  /** Begins to end: no new connections, running ones may go on until the deadline. False, and no effect, if it had begun before. */
  drain(cause: DrainCause): boolean {
    if (this.#draining !== undefined) return false;
    const { log } = this.#options;
    if (cause === 'quitquitquit') {
      log.logger('admin').info([], 'Shutdown completed gracefully');
      log.logger('signal::imp').info([], 'received explicit shutdown signal');
    } else log.logger('signal::imp').info([], `received signal ${cause}, starting shutdown`);
    this.#draining = this.#drain();
    this.#draining.then(
      () => this.#end.resolve(),
      (error: unknown) => this.#fail(error),
    );
    return true;
  }

  async #drain(): Promise<void> {
    const { config, log } = this.#options;
    const serversClosed = Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#stopZds.abort();
    await this.#zdsEnded;
    this.#dns.close();
    await this.#threads?.drain(config.drainDeadlineMs);
    this.#pods.allDrained();
    this.#certificates.close();
    this.#crl.close();
    this.#localConfig?.close();
    await this.#zds.close();
    await this.#caSource.close();
    this.#heartbeats?.close();
    await this.#threads?.terminate();
    await Promise.race([serversClosed, delay(openRequestsMs, undefined, { ref: false })]);
    await log.flush();
  }

  /** Makes `ended` reject with `reason`: for faults that no part of the proxy has dealt with. Cuts nothing by itself. */
  abort(reason: Error): void {
    this.#fail(reason);
  }

  #fail(error: unknown): void {
    this.#end.reject(error instanceof Error ? error : new Error(String(error)));
  }

  #running(): DataThreads {
    if (this.#threads === undefined) throw new TypeError('the data plane has not been started');
    return this.#threads;
  }

  /** What discovery has told. */
  get #mesh(): MeshSnapshot {
    return this.#localConfig?.snapshot ?? emptySnapshot;
  }

  #logStart(): void {
    const { config, log, args } = this.#options;
    const logger = log.logger('ztunnel');
    logger.info([], `version: ${renderVersion(config.istioVersion)}`);
    const { soft } = raiseFileLimit();
    this.#maxDescriptors = soft;
    // Node has raised the limit before any of our code ran.
    logger.info([], `set file descriptor limits from ${soft} to ${soft}`);
    logger.info([], `running with config: ${renderYaml(describeConfig(config, args))}`);
  }

  async #listen(
    component: string,
    hosts: readonly string[],
    server: { readonly port: number; readonly answer: Parameters<typeof listenHttp>[0]['answer'] },
  ): Promise<void> {
    const logger = this.#options.log.logger('hyper_util');
    if (this.#draining !== undefined) return;
    const listener = await listenHttp({ component, hosts, logger, ...server });
    this.#listeners.push(listener);
    // The drain has closed those that it knew.
    if (this.#draining !== undefined) await listener.close();
  }

  #startDataPlane(): void {
    const { config, log, program } = this.#options;
    const threads = (this.#options.startThreads ?? startDataThreads)({
      config: dataPlaneConfig(config, this.#maxDescriptors),
      engine: config.engine,
      count: config.threads.dataThreads,
      program,
      // Its listeners are gone with it: better a new process than a share of the connections refused.
      onDeath: (cause) =>
        this.#fail(new ZtunnelError('ZTUNNEL_DATA_THREAD_LOST', `a data thread ended: ${cause.message}`, { cause })),
    });
    this.#heartbeats = new Heartbeats({
      threads,
      limitMs: config.stuckThreadMs,
      clock: systemClock,
      logger: log.logger('data_thread'),
    });
    this.#logBacklogs = threads.map(({ logBacklog }) => logBacklog);
    this.#threads = new DataThreads(threads, {
      engine: (thread, message) => this.#engines.took(thread, message),
      certificateWanted: (identity) => this.#certificates.want(identity),
      log: (text, written) => log.writeLines(text, written),
      lookupWanted: (wanted, answer) => this.#dns.lookup(wanted, answer),
      report: (thread, report) => {
        this.#metrics.add(thread, report.counters, report.openSockets);
        this.#revocationMetrics.add(report.revocations);
        this.#threadMetrics.add(thread, report);
      },
      diagnosis: (message) => this.#diagnoses.take(message),
      componentDrained: (message) => this.#pods.componentDrained(message),
    });
  }

  /** Gives what has changed to every data thread as one; resolves when all of them go by it. */
  async #applyState(changes: readonly StateChange[]): Promise<void> {
    const taken = Promise.all([this.#running().applyState(changes), this.#dns.apply(changes)]);
    // An identity that one workload gives up and another takes on is not forgotten in between.
    for (const change of changes) if (change.type === 'workload') this.#prefetcher.workloadSeen(change.workload);
    for (const change of changes) if (change.type === 'workload-removed') this.#prefetcher.workloadRemoved(change.uid);
    await taken;
  }

  /** Whether every data thread answers. Before they are started there is nobody to be stuck. */
  #ping(): Promise<boolean> {
    return this.#threads?.collect(reportLimitMs) ?? Promise.resolve(true);
  }

  async #renderMetrics(): Promise<string> {
    await this.#ping();
    this.#dnsMetrics.add(this.#dns.drainCounters());
    return renderOpenMetrics([
      ...(await processFamilies(this.#maxDescriptors)),
      buildFamily(this.#options.config.istioVersion),
      ...this.#metrics.families(),
      this.#revocationMetrics.family(),
      ...this.#dnsMetrics.families(),
      this.#engines.family(),
      ...this.#threadMetrics.families(),
      droppedLinesFamily(this.#options.log.backlog, this.#logBacklogs),
      ...(this.#heartbeats === undefined ? [] : [this.#heartbeats.family()]),
      ...(this.#localConfig === undefined ? [] : localConfigFamilies(this.#localConfig.status)),
      ...workloadFamilies(this.#zds.counters),
    ]);
  }

  async #dump(): Promise<string> {
    const { config, args } = this.#options;
    const none = { found: new Map<string, never>(), silent: [] };
    const connections = (await this.#threads?.listConnections(reportLimitMs)) ?? none;
    return renderConfigDump({
      config,
      args,
      certificates: this.#certificates.states(),
      mesh: this.#mesh,
      workloads: this.#zds.workloads(),
      connections,
      engines: this.#engines.describe(),
    });
  }
}

function anyHosts(config: ZtunnelConfig): readonly string[] {
  return [config.ipv6 ? '::' : '0.0.0.0'];
}

/** Fails now, with the capability's name, rather than at the first pod. */
function checkCapabilities(config: ZtunnelConfig): void {
  const { setns, mark, transparentV4: transparent } = probe();
  const problems = [
    ...(setns.supported ? [] : [`entering network namespaces (CAP_SYS_ADMIN): ${setns.reason}`]),
    ...(mark.supported ? [] : [`marking sockets (CAP_NET_ADMIN or CAP_NET_RAW): ${mark.reason}`]),
    ...(transparent.supported || config.originalSource !== 'require'
      ? []
      : [`keeping source addresses (CAP_NET_ADMIN, or set ENABLE_ORIG_SRC=false): ${transparent.reason}`]),
  ];
  if (problems.length > 0)
    throw new ZtunnelError('ZTUNNEL_PERMISSION', `the process lacks the capability of ${problems.join('; ')}`);
}
