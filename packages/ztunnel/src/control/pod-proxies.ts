import { duplicate, Namespace } from '@ambientmesh/netns';
import type { ProxyHandler } from '@ambientmesh/zds';
import type { FromDataThread, PodInfo, ProxyComponent } from '../data-plane/protocol.ts';
import { bare, type LogSpan } from '../log/line.ts';
import type { LogRoot } from '../log/logger.ts';
import type { DataThreads } from './data-threads.ts';
import type { PodDns } from './dns/pod-dns.ts';

/** Listeners of a pod in the order of their making: module, name in logs, port. */
const listeners = [
  { scope: 'proxy::inbound', component: 'inbound', port: 15_008 },
  { scope: 'proxy::inbound_passthrough', component: 'inbound plaintext', port: 15_006 },
  { scope: 'proxy::outbound', component: 'outbound', port: 15_001 },
] as const;
const components: readonly ProxyComponent[] = ['inbound passthrough', 'inbound', 'outbound'];

interface Pod {
  readonly info: PodInfo;
  /** Threads on which a component has ended, and whether by force. */
  readonly drained: Map<ProxyComponent, { threads: number; forced: boolean }>;
  readonly finished: Set<ProxyComponent>;
}

/** What the proxies of pods work with. */
export interface PodProxiesOptions {
  /** Asked at each use, for the threads call back into this object. */
  readonly threads: () => DataThreads;
  readonly log: LogRoot;
  readonly ipv6: boolean;
  readonly dns: Pick<PodDns, 'start' | 'stop'>;
}

/** The proxies of the node's pods: started and stopped on every data thread as the agent says, logged once. */
export class PodProxies implements ProxyHandler {
  readonly #pods = new Map<string, Pod>();
  readonly #options: PodProxiesOptions;

  constructor(options: PodProxiesOptions) {
    this.#options = options;
  }

  async start(uid: string, info: PodInfo, netns: Pick<Namespace, 'fd'>): Promise<void> {
    const { log, ipv6 } = this.#options;
    const { name, namespace, serviceAccount } = info;
    const { transparent } = await this.#start(uid, { name, namespace, serviceAccount }, netns.fd);
    this.#pods.set(uid, { info, drained: new Map(), finished: new Set() });
    for (const { scope, component, port } of listeners)
      log.logger(scope).info(
        [
          ['address', bare(`${ipv6 ? '[::]' : '0.0.0.0'}:${port}`)],
          ['component', component],
          ['transparent', transparent],
        ],
        'listener established',
      );
  }

  async stop(uid: string): Promise<void> {
    const pod = this.#pods.get(uid);
    this.#pods.delete(uid);
    this.#options.dns.stop(uid);
    await this.#options.threads().stopPod(uid);
    if (pod !== undefined) this.#finish(pod);
  }

  /** All of it or nothing. */
  async #start(uid: string, info: PodInfo, netns: number): Promise<{ readonly transparent: boolean }> {
    const { dns, threads } = this.#options;
    dns.start(uid, info, netns);
    try {
      return await threads().startPod(uid, info, Namespace.ofDescriptor(duplicate(netns)));
    } catch (error) {
      dns.stop(uid);
      throw error;
    }
  }

  /** A data thread has ended all connections of one kind of a pod. */
  componentDrained(message: Extract<FromDataThread, { readonly type: 'component-drained' }>): void {
    const pod = this.#pods.get(message.uid);
    if (pod === undefined) return;
    const state = pod.drained.get(message.component) ?? { threads: 0, forced: false };
    state.threads++;
    state.forced ||= message.forced;
    pod.drained.set(message.component, state);
    if (state.threads === this.#options.threads().count) this.#componentFinished(pod, message.component, state.forced);
  }

  /** All threads are drained: nothing of any pod runs any more. */
  allDrained(): void {
    for (const pod of this.#pods.values()) this.#finish(pod);
    this.#pods.clear();
  }

  #finish(pod: Pod): void {
    for (const component of components)
      if (!pod.finished.has(component)) this.#componentFinished(pod, component, false);
  }

  #componentFinished(pod: Pod, component: ProxyComponent, forced: boolean): void {
    pod.finished.add(component);
    const logger = this.#options.log.logger('drain', [spanOf(pod.info)]);
    if (forced)
      logger.warn(
        [['component', component]],
        'drain duration expired with pending connections, forcefully shutting down',
      );
    logger.info([['component', component]], 'shutdown complete');
  }
}

function spanOf(info: PodInfo): LogSpan {
  return { name: 'proxy', fields: [['wl', bare(`${info.namespace}/${info.name}`)]] };
}
