import { MAX_PORT } from '../matching/port.ts';
import type { RecordedConnection } from '../what-if/recorded-connection.ts';
import { fieldOf } from './field-of.ts';
import { invalidCommand } from './parse-options.ts';
import type { YamlDocument } from './yaml-document.ts';

type KubernetesDocument = Pick<YamlDocument, 'value' | 'locate'>;

/** What the ports of services are behind them. */
export interface ServicePorts {
  /** The pod's port where a tunnel was asked for a host name; undefined if it is not known. */
  readonly find: (connection: RecordedConnection) => number | undefined;
}

/** Where Services and Pods are read from. */
export interface ServicePortSources {
  readonly services: readonly KubernetesDocument[];
  /** For target ports that have a name. */
  readonly pods: readonly KubernetesDocument[];
  /** What host names of services end in. */
  readonly clusterDomain: string;
}

/**
 * Target ports of Services by their host names (spec hbone.md §4.2); objects of other kinds are left out. Of a Service
 * without a selector nothing is known: whoever writes its endpoints chooses their ports. Several of one name, of several
 * clusters, tell a port if they agree. Throws POLICY_COMMAND_INVALID for a Service whose name, namespace or ports are none.
 */
export function readServicePorts({ services, pods, clusterDomain }: ServicePortSources): ServicePorts {
  const byHost = new Map<string, ServiceTargets[]>();
  for (const document of services) {
    if (fieldOf(document.value, 'kind') !== 'Service') continue;
    const host = `${readName(document, 'name')}.${readName(document, 'namespace')}.svc.${clusterDomain}`;
    byHost.set(host, [...(byHost.get(host) ?? []), readTargets(document)]);
  }
  const podsByName = Map.groupBy(
    pods.map(({ value }) => value).filter((value) => fieldOf(value, 'kind') === 'Pod'),
    (value) => keyOf(fieldOf(value, 'metadata')),
  );
  return {
    find: ({ tunnelTarget = '', connection, workload }) => {
      const host = tunnelTarget.slice(0, tunnelTarget.lastIndexOf(':')).toLowerCase();
      const targets = (byHost.get(host) ?? []).map((ports) => ports.get(connection.destinationPort));
      const found = new Set(
        targets.flatMap((target) =>
          typeof target === 'string' ? findNamedPorts(podsByName.get(keyOf(workload)) ?? [], target) : [target],
        ),
      );
      return found.size === 1 ? [...found][0] : undefined;
    },
  };
}

/** By port of the service: the pods' one, or its name in them. */
type ServiceTargets = ReadonlyMap<number, number | string>;

function readTargets({ value, locate }: KubernetesDocument): ServiceTargets {
  const targets = new Map<number, number | string>();
  const spec = fieldOf(value, 'spec');
  const managed = Object.keys(fieldOf(spec, 'selector') ?? {}).length > 0;
  const ports = fieldOf(spec, 'ports') ?? [];
  if (!Array.isArray(ports)) throw invalidCommand(`${locate('spec.ports')}: spec.ports: want a list`);
  for (const [index, item] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    const port = fieldOf(item, 'port');
    if (!isPort(port)) throw invalidCommand(`${locate(`${path}.port`)}: ${path}.port: want a port`);
    // Zero is how the API server is told of none.
    const target = fieldOf(item, 'targetPort') || port;
    if (typeof target !== 'string' && !isPort(target))
      throw invalidCommand(`${locate(`${path}.targetPort`)}: ${path}.targetPort: want a port or its name`);
    if (managed && isTcp(item)) targets.set(port, target);
  }
  return targets;
}

function readName({ value, locate }: KubernetesDocument, field: 'name' | 'namespace'): string {
  const text = fieldOf(fieldOf(value, 'metadata'), field);
  if (typeof text === 'string') return text;
  throw invalidCommand(`${locate(`metadata.${field}`)}: want metadata.${field} of the Service`);
}

/** Of the metadata of a Pod, or a workload of a log. */
function keyOf(named: unknown): string {
  return JSON.stringify([fieldOf(named, 'namespace'), fieldOf(named, 'name')]);
}

/** Undefined for each pod that has no port of that name. */
function findNamedPorts(pods: readonly unknown[], name: string): readonly (number | undefined)[] {
  return pods.map((pod) => {
    const spec = fieldOf(pod, 'spec');
    const containers = [fieldOf(spec, 'containers'), fieldOf(spec, 'initContainers')].flatMap(itemsOf);
    const port = containers
      .flatMap((container) => itemsOf(fieldOf(container, 'ports')))
      .find((item) => fieldOf(item, 'name') === name && isTcp(item));
    const number = fieldOf(port, 'containerPort');
    return isPort(number) ? number : undefined;
  });
}

function isTcp(port: unknown): boolean {
  return (fieldOf(port, 'protocol') ?? 'TCP') === 'TCP';
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_PORT;
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
