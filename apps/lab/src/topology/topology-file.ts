import { isIPv4, isIPv6 } from 'node:net';
import { LabError, messageOf } from '../errors.ts';
import type { NodeSpec, PodProgram, PodSpec, ServiceSpec, Topology } from './topology.ts';

/** What may be a node's, pod's or service's name: it becomes a namespace, a host name and part of file names. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const MAX_PORT = 65_535;

/**
 * Reads a topology from JSON. Throws LAB_TOPOLOGY_INVALID that lists everything wrong in it: syntax, unknown keys,
 * bad names and addresses, duplicates, references to what is not there.
 */
export function parseTopology(text: string): Topology {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError('LAB_TOPOLOGY_INVALID', `not JSON: ${messageOf(error)}`, { cause: error });
  }
  const reader = new Reader();
  const top = reader.object(value, 'topology', ['nodes', 'pods', 'services']);
  const topology: Topology = {
    nodes: reader.list(top['nodes'], 'nodes').map((item, index) => readNode(reader, item, `nodes[${index}]`)),
    pods: reader.list(top['pods'], 'pods').map((item, index) => readPod(reader, item, `pods[${index}]`)),
    services: reader
      .list(top['services'] ?? [], 'services')
      .map((item, index) => readService(reader, item, `services[${index}]`)),
  };
  checkTopology(topology, reader);
  if (reader.problems.length > 0) throw new LabError('LAB_TOPOLOGY_INVALID', reader.problems.join('; '));
  return topology;
}

/** Collects problems instead of stopping at the first. */
class Reader {
  readonly problems: string[] = [];

  object(value: unknown, where: string, keys: readonly string[]): Record<string, unknown> {
    if (!isRecord(value)) {
      this.problems.push(`${where}: want an object`);
      return {};
    }
    for (const key of Object.keys(value))
      if (!keys.includes(key)) this.problems.push(`${where}: unknown key ${key} (known: ${keys.join(', ')})`);
    return value;
  }

  list(value: unknown, where: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.problems.push(`${where}: want a list`);
    return [];
  }

  name(value: unknown, where: string): string {
    if (typeof value === 'string' && NAME.test(value)) return value;
    this.problems.push(`${where}: want a name of a-z, 0-9 and -, got ${JSON.stringify(value)}`);
    return '';
  }

  address(value: unknown, where: string): string {
    if (typeof value === 'string' && isIPv4(value)) return value;
    this.problems.push(`${where}: want an IPv4 address, got ${JSON.stringify(value)}`);
    return '';
  }

  address6(value: unknown, where: string): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && isIPv6(value)) return value;
    this.problems.push(`${where}: want an IPv6 address, got ${JSON.stringify(value)}`);
    return undefined;
  }

  cidr(value: unknown, where: string, isAddress: (text: string) => boolean): string {
    const [address = '', bits = ''] = typeof value === 'string' ? value.split('/') : [];
    if (isAddress(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= 128) return `${address}/${bits}`;
    this.problems.push(`${where}: want ADDRESS/BITS, got ${JSON.stringify(value)}`);
    return '';
  }
}

function readNode(reader: Reader, value: unknown, where: string): NodeSpec {
  const item = reader.object(value, where, ['name', 'address', 'address6', 'podCidr', 'podCidr6']);
  const address6 = reader.address6(item['address6'], `${where}.address6`);
  const podCidr6 =
    item['podCidr6'] === undefined ? undefined : reader.cidr(item['podCidr6'], `${where}.podCidr6`, isIPv6);
  return {
    name: reader.name(item['name'], `${where}.name`),
    address: reader.address(item['address'], `${where}.address`),
    podCidr: reader.cidr(item['podCidr'], `${where}.podCidr`, isIPv4),
    ...(address6 === undefined ? {} : { address6 }),
    ...(podCidr6 === undefined ? {} : { podCidr6 }),
  };
}

function readPod(reader: Reader, value: unknown, where: string): PodSpec {
  const keys = ['name', 'node', 'namespace', 'serviceAccount', 'app', 'labels', 'address', 'address6', 'run', 'enrol'];
  const item = reader.object(value, where, keys);
  const address6 = reader.address6(item['address6'], `${where}.address6`);
  const enrol = item['enrol'];
  if (enrol !== undefined && typeof enrol !== 'boolean') reader.problems.push(`${where}.enrol: want true or false`);
  return {
    name: reader.name(item['name'], `${where}.name`),
    node: reader.name(item['node'], `${where}.node`),
    serviceAccount: reader.name(item['serviceAccount'], `${where}.serviceAccount`),
    address: reader.address(item['address'], `${where}.address`),
    run: readProgram(reader, item['run'], `${where}.run`),
    ...(item['namespace'] === undefined ? {} : { namespace: reader.name(item['namespace'], `${where}.namespace`) }),
    ...(item['app'] === undefined ? {} : { app: reader.name(item['app'], `${where}.app`) }),
    ...(item['labels'] === undefined ? {} : { labels: readLabels(reader, item['labels'], `${where}.labels`) }),
    ...(address6 === undefined ? {} : { address6 }),
    ...(typeof enrol === 'boolean' ? { enrol } : {}),
  };
}

function readLabels(reader: Reader, value: unknown, where: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  if (!isRecord(value)) reader.problems.push(`${where}: want an object of texts, as {"app": "web"}`);
  for (const [key, text] of Object.entries(isRecord(value) ? value : {}))
    if (typeof text === 'string') labels[key] = text;
    else reader.problems.push(`${where}.${key}: want a text, got ${JSON.stringify(text)}`);
  return labels;
}

function readProgram(reader: Reader, value: unknown, where: string): PodProgram {
  if (value === 'http-server' || value === 'idle') return value;
  if (Array.isArray(value) && value.length > 0 && value.every((word): word is string => typeof word === 'string'))
    return value;
  reader.problems.push(`${where}: want "http-server", "idle" or a command as a list of words`);
  return 'idle';
}

function readService(reader: Reader, value: unknown, where: string): ServiceSpec {
  const item = reader.object(value, where, ['name', 'namespace', 'vip', 'vip6', 'ports', 'endpoints']);
  const vip6 = reader.address6(item['vip6'], `${where}.vip6`);
  const ports: Record<string, number> = {};
  for (const [port, target] of Object.entries(isRecord(item['ports']) ? item['ports'] : {}))
    if (isPort(Number(port)) && isPort(target)) ports[port] = target;
    else reader.problems.push(`${where}.ports: ${port}: ${JSON.stringify(target)}: want ports from 1 to ${MAX_PORT}`);
  if (Object.keys(ports).length === 0) reader.problems.push(`${where}.ports: want at least one, as {"80": 8080}`);
  return {
    name: reader.name(item['name'], `${where}.name`),
    vip: reader.address(item['vip'], `${where}.vip`),
    ports,
    endpoints: reader
      .list(item['endpoints'], `${where}.endpoints`)
      .map((name, index) => reader.name(name, `${where}.endpoints[${index}]`)),
    ...(item['namespace'] === undefined ? {} : { namespace: reader.name(item['namespace'], `${where}.namespace`) }),
    ...(vip6 === undefined ? {} : { vip6 }),
  };
}

function checkTopology(topology: Topology, reader: Reader): void {
  const { nodes, pods, services } = topology;
  if (nodes.length === 0) reader.problems.push('nodes: want at least one');
  reportDuplicates(
    reader,
    'name',
    [...nodes, ...pods].map((spec) => spec.name),
  );
  reportDuplicates(
    reader,
    'address',
    [...nodes, ...pods].flatMap((spec) => [spec.address, spec.address6 ?? spec.name]),
  );
  for (const pod of pods)
    if (!nodes.some((node) => node.name === pod.node)) reader.problems.push(`pod ${pod.name}: no node ${pod.node}`);
  for (const service of services)
    for (const endpoint of service.endpoints)
      if (!pods.some((pod) => pod.name === endpoint))
        reader.problems.push(`service ${service.name}: no pod ${endpoint}`);
}

function reportDuplicates(reader: Reader, what: string, values: readonly string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (value !== '' && seen.has(value)) reader.problems.push(`${what} ${value} is used twice`);
    seen.add(value);
  }
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_PORT;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
