import type { Engine } from '@ambientmesh/hbone';
import { duplicate, Namespace, NetnsError } from '@ambientmesh/netns';
import { describeStartFailure } from '@ambientmesh/zds';
import { Denials } from '../inbound/denials.ts';
import { explainDenials } from '../inbound/explain-denial.ts';
import type { LogBacklog } from '../log/log-backlog.ts';
import { LoadBalancer } from '../outbound/load-balancer.ts';
import { UpstreamSelector } from '../outbound/upstream.ts';
import { MeshPolicies } from '../state/mesh-policies.ts';
import { MeshState } from '../state/mesh-state.ts';
import { AccessLog } from '../telemetry/access-log.ts';
import { Counters } from '../telemetry/counters.ts';
import { ThreadLog } from '../telemetry/thread-log.ts';
import { Accepting } from './accepting.ts';
import { ThreadCertificates } from './certificates.ts';
import type { DataPlaneContext } from './context.ts';
import { DialQueue } from './dial-queue.ts';
import { LocalWorkloads } from './local-workloads.ts';
import { NameLookups } from './name-lookups.ts';
import { PodProxy } from './pod-proxy.ts';
import type { DataPlaneConfig, FromDataThread, LogLevels, PodInfo, ToDataThread } from './protocol.ts';
import { Rechecks } from './rechecks.ts';
import { RefusedClients } from './refused-clients.ts';
import { Revocations } from './revocations.ts';
import { StateChanges } from './state-changes.ts';
import type { SynchronousEngine } from './synchronous-engine.ts';
import { ThreadDiagnosis } from './thread-diagnosis.ts';
import { TrustedPeers } from './trusted-peers.ts';

const COMMANDS = [
  'log-levels',
  'revocations',
  'pod-start',
  'pod-stop',
  'drain',
  'report',
  'connections',
  'denials',
  'diagnose',
  'end',
] as const;

/** The messages that ask for something to be done now. */
type Command = Extract<ToDataThread, { readonly type: (typeof COMMANDS)[number] }>;

/** What a data plane has of the control thread. */
export interface ControlLink {
  emit(message: FromDataThread): void;
  /** Of `log` messages: the control thread says there when lines wait no more. */
  readonly logBacklog: LogBacklog;
}

interface Running {
  readonly proxy: PodProxy;
  readonly namespace: Namespace;
}

/** Everything one data thread does: it obeys the control thread's messages and serves the pods it was given. */
export class DataPlane {
  readonly #emit: (message: FromDataThread) => void;
  /** What the context reads: log levels change. */
  readonly #config: { -readonly [Key in keyof DataPlaneConfig]: DataPlaneConfig[Key] };
  readonly #context: DataPlaneContext;
  readonly #pods = new Map<string, Running>();
  readonly #changes: StateChanges;
  readonly #diagnosis: ThreadDiagnosis;
  /** The engine, if it can tell of itself. */
  readonly #ownLoop: SynchronousEngine | undefined;

  constructor(given: DataPlaneConfig, engine: Engine | SynchronousEngine, link: ControlLink) {
    const emit = (message: FromDataThread): void => link.emit(message);
    const config = { ...given };
    this.#ownLoop = 'drainTurnTimes' in engine ? engine : undefined;
    this.#config = config;
    this.#emit = emit;
    this.#diagnosis = new ThreadDiagnosis(engine);
    const state = new MeshState();
    const log = new ThreadLog({
      engine,
      format: config.logFormat,
      backlog: link.logBacklog,
      write: (text) => emit({ type: 'log', text }),
    });
    const certificates = new ThreadCertificates(engine, (identity) => emit({ type: 'certificate-wanted', identity }));
    const sockets = { source: 0, destination: 0 };
    const policies = new MeshPolicies({ missing: config.unknownPolicy });
    this.#context = {
      config,
      engine,
      state,
      policies,
      denials: new Denials(explainDenials(policies)),
      localWorkloads: new LocalWorkloads(state, engine),
      certificates,
      trustedPeers: new TrustedPeers((identity) => certificates.rootsOf(identity)),
      rechecks: new Rechecks(engine),
      revocations: new Revocations((message) => log.line({ level: 'warn', scope: 'tls::crl', message, fields: [] })),
      selector: new UpstreamSelector(state, new LoadBalancer(), config.network),
      counters: new Counters(),
      accessLog: new AccessLog(log, config.accessLog),
      log,
      sockets,
      refusedClients: new RefusedClients(engine, sockets),
      lookups: new NameLookups(engine, emit),
      accepting: new Accepting(engine, log),
      dials: new DialQueue(engine),
    };
    this.#changes = new StateChanges(this.#context, () => this.#governed());
  }

  apply(message: ToDataThread): void {
    if (isCommand(message)) return this.#command(message);
    const { certificates, lookups } = this.#context;
    switch (message.type) {
      case 'batch-part':
        this.#changes.stage(message.changes);
        return this.#emit({ type: 'batch-taken' });
      case 'batch':
        return this.#changes.apply(message.changes, () => this.#emit({ type: 'batch-taken' }));
      case 'certificate':
        if (certificates.put(message.certificate)) this.#recheckPeers();
        return;
      case 'certificate-unavailable':
        return certificates.unavailable(message.identity, message.message);
      case 'lookup-answer':
        return lookups.answer(message.id, message.result);
      case 'certificate-forgotten':
        return certificates.forget(message.identity);
      case 'workload':
      case 'workload-removed':
      case 'service':
      case 'service-removed':
      case 'policy':
      case 'policy-removed':
        return this.#changes.apply([message]);
    }
  }

  /** Everything ends at once, as when the process does. */
  close(): void {
    this.#diagnosis.close();
    this.#context.rechecks.close();
    for (const uid of this.#pods.keys()) this.#stop(uid);
    this.#context.log.flush();
  }

  #command(message: Command): void {
    switch (message.type) {
      case 'log-levels':
        return this.#setLogLevels(message.levels);
      case 'revocations':
        return this.#revoke(message.file);
      case 'pod-start':
        return this.#start(message.uid, message.info, message.netns);
      case 'pod-stop':
        return this.#stop(message.uid);
      case 'drain':
        return this.#drain(message.deadlineMs);
      case 'report':
        return this.#report(message.id);
      case 'diagnose':
        return this.#diagnosis.examine(message.wanted, (diagnosis) =>
          this.#emit({ type: 'diagnosis', id: message.id, diagnosis }),
        );
      case 'end':
        return this.close();
      case 'connections':
        return this.#listConnections(message.id);
      case 'denials':
        return this.#emit({ type: 'denials', id: message.id, denials: this.#context.denials.list() });
    }
  }

  #setLogLevels(levels: LogLevels): void {
    Object.assign(this.#config, levels);
    this.#context.accessLog.levels = levels.accessLog;
  }

  *#governed(): Generator<PodProxy> {
    for (const { proxy } of this.#pods.values()) yield proxy;
  }

  #start(uid: string, info: PodInfo, netns: number): void {
    let namespace: Namespace | undefined;
    try {
      namespace = Namespace.ofDescriptor(duplicate(netns));
      const proxy = new PodProxy(this.#context, { uid, info }, namespace);
      this.#pods.set(uid, { proxy, namespace });
      this.#emit({ type: 'pod-started', uid, transparent: proxy.keepsSource });
    } catch (error) {
      namespace?.close();
      if (!(error instanceof NetnsError)) throw error;
      this.#emit({ type: 'pod-failed', uid, message: describeFailure(error) });
    }
  }

  #revoke(file: Uint8Array): void {
    this.#context.revocations.put(file);
    this.#recheckPeers();
  }

  #recheckPeers(): void {
    for (const { proxy } of this.#pods.values()) this.#context.rechecks.request(proxy, 'trust');
  }

  #stop(uid: string): void {
    const running = this.#pods.get(uid);
    if (running !== undefined) {
      this.#pods.delete(uid);
      running.proxy.stop();
      running.namespace.close();
    }
    this.#emit({ type: 'pod-stopped', uid });
  }

  #drain(deadlineMs: number): void {
    let [left, cut] = [this.#pods.size, 0];
    const done = (): void => {
      if (left > 0) return;
      this.#context.log.flush();
      this.#emit({ type: 'drained', cut });
    };
    for (const [uid, { proxy }] of this.#pods)
      proxy.drain(deadlineMs, {
        componentDrained: (component, forced) => this.#emit({ type: 'component-drained', uid, component, forced }),
        drained: (count) => {
          left--;
          cut += count;
          done();
        },
      });
    if (this.#pods.size === 0) done();
  }

  #listConnections(id: number): void {
    const pods = new Map([...this.#pods].map(([uid, { proxy }]) => [uid, proxy.connections]));
    this.#emit({ type: 'connections', id, pods });
  }

  #report(id: number): void {
    const { accepting, counters, revocations, sockets, log } = this.#context;
    log.flush();
    const openSockets = { ...sockets };
    this.#emit({
      type: 'report',
      id,
      counters: counters.drain(),
      openSockets,
      revocations: revocations.drain(),
      accepting: accepting.drain(),
      ...(this.#ownLoop && { engine: { holdings: this.#ownLoop.holdings, turnTimes: this.#ownLoop.drainTurnTimes() } }),
    });
  }
}

function isCommand(message: ToDataThread): message is Command {
  return COMMANDS.some((type) => type === message.type);
}

/** In the form of spec zds.md §6.2, which operators and tests look for. */
function describeFailure(error: NetnsError): string {
  return describeStartFailure(error).debug;
}
