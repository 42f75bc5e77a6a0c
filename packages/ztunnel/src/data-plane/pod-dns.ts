import type { Namespace } from '@ambientmesh/netns';
import { type DnsProxy, openDnsProxy } from '../dns/dns-proxy.ts';
import type { ResolvConf } from '../dns/resolv-conf.ts';
import type { Workload } from '../state/workload.ts';
import type { DataPlaneContext } from './context.ts';
import { describePod } from './local-workloads.ts';
import type { DnsConfig, PodInfo } from './protocol.ts';

export interface PodDnsOptions {
  readonly context: DataPlaneContext;
  readonly dns: DnsConfig;
  readonly resolvConf: ResolvConf;
  readonly info: PodInfo;
  readonly namespace: Namespace;
}

/** Starts the DNS proxy of a pod. @throws {NetnsError} when a port is taken. */
export function openPodDns(options: PodDnsOptions): DnsProxy {
  const { context, dns, info, namespace, resolvConf } = options;
  const { config, engine, log, state } = context;
  const { clusterDomain, preferredNamespace } = dns;
  return openDnsProxy({
    namespace,
    resolvConf,
    port: dns.port,
    mark: config.packetMark,
    reusePort: config.portReuse,
    mesh: state,
    rules: {
      clusterDomain,
      ...(preferredNamespace === undefined ? {} : { preferredNamespace }),
      ipv6: config.ipv6,
      random: Math.random,
    },
    client: () => clientOf(context, info),
    counters: context.dnsCounters,
    log: {
      ...(config.dnsLog
        ? { answered: (fields) => log.line({ level: 'debug', scope: 'dns', message: '', fields }) }
        : {}),
      warned: (message) => log.line({ level: 'warn', scope: 'dns::handler', message, fields: [] }),
    },
    now: () => engine.now(),
  });
}

/** The pod's workload, waited for when discovery is late. */
function clientOf(context: DataPlaneContext, info: PodInfo): Workload | undefined | Promise<Workload | undefined> {
  const known = context.state.workloadOfPod(info);
  if (known !== undefined) return known;
  return new Promise((resolve) => {
    context.localWorkloads.resolve(info, (workload) => {
      if (workload === undefined) {
        const message = `timed out waiting for workload '${describePod(info)}' from xds`;
        context.log.line({ level: 'warn', scope: 'state', message, fields: [] });
      }
      resolve(workload);
    });
  });
}
