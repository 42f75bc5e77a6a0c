import type { Engine } from '@ambientmesh/hbone';
import { duplicate, Namespace, NetnsError } from '@ambientmesh/netns';
import { describeStartFailure } from '@ambientmesh/zds';
import { describePod, LocalWorkloads } from '../../data-plane/local-workloads.ts';
import type { FromDataThread, PodInfo, StateChange } from '../../data-plane/protocol.ts';
import { type DnsCounterDelta, DnsCounters } from '../../dns/dns-counters.ts';
import { type DnsProxy, openDnsProxy } from '../../dns/dns-proxy.ts';
import type { DnsLog } from '../../dns/dns-resolver.ts';
import { FairTurns } from '../../dns/fair-turns.ts';
import type { LookupResult } from '../../dns/lookup.ts';
import type { ResolvConf } from '../../dns/resolv-conf.ts';
import type { LogRoot } from '../../log/logger.ts';
import { MeshState } from '../../state/mesh-state.ts';
import type { Workload } from '../../state/workload.ts';
import type { ZtunnelConfig } from '../config/config.ts';
import { ZtunnelError } from '../errors.ts';
import { MeshFeed } from './mesh-feed.ts';

const DNS_PORT = 15_053;

export interface PodDnsOptions {
  readonly config: Pick<
    ZtunnelConfig,
    'clusterDomain' | 'preferredNamespace' | 'packetMark' | 'portReuse' | 'ipv6' | 'dnsProxy'
  >;
  readonly log: LogRoot;
  /** Of the proxy's own namespace. */
  readonly resolvConf: ResolvConf;
}

interface Running {
  readonly proxy: DnsProxy;
  readonly namespace: Namespace;
}

/** Timers of the event loop, in the form of an engine; they do not keep the process alive. */
const TIMERS: Pick<Engine, 'after'> = {
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/**
 * The DNS proxies of the node's pods, one each. They live on the control thread, for they need timers, promises and Node's
 * sockets, none of which a data thread has; and they share their turns of its loop fairly, with a limit.
 */
export class PodDns {
  readonly #options: PodDnsOptions;
  readonly #state = new MeshState();
  readonly #workloads = new LocalWorkloads(this.#state, TIMERS);
  readonly #feed = new MeshFeed(this.#state, TIMERS, () => this.#workloads.changed());
  readonly #counters = new DnsCounters();
  readonly #turns = new FairTurns();
  readonly #pods = new Map<string, Running>();
  readonly #log: DnsLog;

  constructor(options: PodDnsOptions) {
    this.#options = options;
    this.#log = dnsLog(options.log);
  }

  /** Tells the proxies what the data threads are told; resolves when they go by it. */
  async apply(changes: readonly StateChange[]): Promise<void> {
    await this.#feed.apply(changes);
  }

  /** `netns` stays the caller's. @throws {ZtunnelError} `ZTUNNEL_POD_FAILED` when a port is taken; nothing is bound then. */
  start(uid: string, info: PodInfo, netns: number): void {
    if (!this.#options.config.dnsProxy) return;
    let namespace: Namespace | undefined;
    try {
      namespace = Namespace.ofDescriptor(duplicate(netns));
      this.#pods.set(uid, { proxy: this.#open(info, namespace), namespace });
    } catch (error) {
      namespace?.close();
      if (!(error instanceof NetnsError)) throw error;
      throw new ZtunnelError('ZTUNNEL_POD_FAILED', describeStartFailure(error).debug, { cause: error });
    }
  }

  /** Stops listening and forgets what is under way. Idempotent. */
  stop(uid: string): void {
    const running = this.#pods.get(uid);
    if (running === undefined) return;
    this.#pods.delete(uid);
    running.proxy.close();
    running.namespace.close();
  }

  /** Answers a data thread. `done` is called once at most: not if the pod is stopped meanwhile. */
  lookup(
    { uid, name, family }: Extract<FromDataThread, { readonly type: 'lookup-wanted' }>,
    done: (result: LookupResult) => void,
  ): void {
    const running = this.#pods.get(uid);
    if (running === undefined) done({ failure: 'dns lookup: too many queries' });
    else running.proxy.lookup(name, family, done);
  }

  /** What has grown since the last call. */
  drainCounters(): readonly DnsCounterDelta[] {
    return this.#counters.drain();
  }

  /** Ends all proxies; nothing is taken in any more. */
  close(): void {
    for (const uid of this.#pods.keys()) this.stop(uid);
    this.#feed.close();
  }

  #open(info: PodInfo, namespace: Namespace): DnsProxy {
    const { config, resolvConf } = this.#options;
    const { clusterDomain, preferredNamespace, ipv6, packetMark, portReuse } = config;
    return openDnsProxy({
      namespace,
      resolvConf,
      port: DNS_PORT,
      mark: packetMark,
      reusePort: portReuse,
      mesh: this.#state,
      rules: {
        clusterDomain,
        ...(preferredNamespace === undefined ? {} : { preferredNamespace }),
        ipv6,
        random: Math.random,
      },
      client: () => this.#clientOf(info),
      counters: this.#counters,
      log: this.#log,
      turns: this.#turns,
      now: () => performance.now(),
    });
  }

  /** The pod's workload, waited for when discovery is late. */
  #clientOf(info: PodInfo): Workload | undefined | Promise<Workload | undefined> {
    const known = this.#state.workloadOfPod(info);
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      this.#workloads.resolve(info, (workload) => {
        if (workload === undefined)
          this.#options.log.logger('state').warn([], `timed out waiting for workload '${describePod(info)}' from xds`);
        resolve(workload);
      });
    });
  }
}

/** Lines of queries are made only where they are printed; the level may be changed at any time. */
function dnsLog(log: LogRoot): DnsLog {
  const [queries, handler] = [log.logger('dns'), log.logger('dns::handler')];
  return {
    get answered() {
      return queries.isEnabled('debug')
        ? (fields: Parameters<typeof queries.debug>[0]) => queries.debug(fields, '')
        : undefined;
    },
    warned: (message) => handler.warn([], message),
  };
}
