import type { Workload } from '../state/workload.ts';
import { fitsHeader } from './header-text.ts';
import type { Peer } from './peer.ts';

const TYPES = ['deployment', 'cronjob', 'pod', 'job'];
const VISIBLE_ASCII = /^[\x20-\x7e\t]*$/;

/** Made once for a workload, whose record never changes. */
const rendered = new WeakMap<Workload, string>();

/** The `baggage` header that describes a workload (spec hbone.md §3.2), without what no header can carry. */
export function renderBaggage(workload: Workload): string {
  let text = rendered.get(workload);
  if (text === undefined) rendered.set(workload, (text = renderPairs(workload)));
  return text;
}

function renderPairs(workload: Workload): string {
  const pairs: [string, string][] = [
    ['k8s.cluster.name', workload.clusterId],
    ['k8s.namespace.name', workload.namespace],
    [`k8s.${workload.workloadType}.name`, workload.workloadName],
    ['service.name', workload.canonicalName],
    ['service.version', workload.canonicalRevision],
    ['cloud.region', workload.locality.region],
    ['cloud.availability_zone', workload.locality.zone],
  ];
  return pairs
    .filter(([, value]) => fitsHeader(value))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** What all `baggage` headers of a message say of the sender; undefined when they say nothing. Telemetry, never trust. */
export function parseBaggage(headers: readonly string[]): Peer | undefined {
  const found = new Map<string, string>();
  for (const header of headers) {
    if (!VISIBLE_ASCII.test(header)) return undefined;
    for (const pair of header.split(',')) {
      const [key = '', value = ''] = pair.split('=');
      if (value !== '') found.set(key, value);
    }
  }
  const get = (key: string): string => found.get(key) ?? '';
  const workload = TYPES.map((type) => get(`k8s.${type}.name`)).find((name) => name !== '') ?? '';
  const peer: Peer = {
    name: get('service.name'),
    namespace: get('k8s.namespace.name'),
    cluster: get('k8s.cluster.name'),
    workload,
    canonicalService: get('service.name'),
    canonicalRevision: get('service.version'),
    app: workload,
    region: get('cloud.region'),
    zone: get('cloud.availability_zone'),
  };
  return Object.values(peer).some((value) => value !== '') ? peer : undefined;
}
