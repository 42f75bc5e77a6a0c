import { bestService } from '../state/best-service.ts';
import { type Service, serviceKey } from '../state/service.ts';
import type { Endpoint, Workload } from '../state/workload.ts';
import { candidateNames, isWildcard, kubernetesSearchDomains, wildcardsOf } from './names.ts';
import { type TYPE_A, TYPE_AAAA } from './record-types.ts';

/** What of the mesh is needed to answer; `MeshState` has it. */
export interface MeshNames {
  /** All services of a hostname, one per namespace. */
  servicesByHostname(hostname: string): readonly Service[];
  endpointsOf(serviceKey: string): Iterable<Endpoint>;
  workloadByUid(uid: string): Workload | undefined;
}

/** What does not change from one query to the next. */
export interface AnswerRules {
  /** `cluster.local`, lower case. */
  readonly clusterDomain: string;
  /** Search list of the client's resolver, lower case; without it, what Kubernetes gives to its namespace. */
  readonly searchDomains?: readonly string[];
  /** Whose services win if neither the client's namespace nor a canonical service does. */
  readonly preferredNamespace?: string;
  /** Whether addresses of IPv6 are given at all. */
  readonly ipv6: boolean;
  /** From 0 up to 1: shuffles the addresses. */
  random(): number;
}

/** The address question of one client. */
export interface AddressQuestion {
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: typeof TYPE_A | typeof TYPE_AAAA;
  readonly client: Workload;
}

/** What the mesh says of a name it knows. */
export interface LocalAnswer {
  /** Known names without a suitable address have an empty answer, and no alias either. */
  readonly result: 'success' | 'no records' | 'service does not support this record type';
  /** The asked name is an alias of `owner`. */
  readonly alias: boolean;
  /** The name that has the addresses; lower case, without the last dot. */
  readonly owner: string;
  readonly addresses: readonly string[];
}

/** Answers from the mesh (spec ztunnel.md §9); undefined for a name it does not know, which is to be forwarded. */
export function evaluateQuestion(
  question: AddressQuestion,
  mesh: MeshNames,
  rules: AnswerRules,
): LocalAnswer | undefined {
  const { name, client, type } = question;
  const found = findService(question, mesh, rules);
  if (found === undefined) return undefined;
  const { service, stripped } = found;
  if (!isFamilyAllowed(service, type, rules.ipv6))
    return { result: 'service does not support this record type', alias: false, owner: name, addresses: [] };
  const addresses = service.vips.length === 0 ? endpointAddresses(service, type, mesh) : vipsFor(service, client, type);
  if (addresses.length === 0) return { result: 'no records', alias: false, owner: name, addresses };
  shuffle(addresses, rules);
  return { result: 'success', alias: stripped !== undefined, owner: stripped ?? name, addresses };
}

interface FoundService {
  readonly service: Service;
  /** The name to answer under instead of the one asked for. */
  readonly stripped: string | undefined;
}

function findService({ name, client }: AddressQuestion, mesh: MeshNames, rules: AnswerRules): FoundService | undefined {
  const { clusterDomain } = rules;
  const { namespace } = client;
  const searchDomains = rules.searchDomains ?? kubernetesSearchDomains(namespace, clusterDomain);
  const inCluster = `.svc.${clusterDomain}`;
  for (const candidate of candidateNames(name, { namespace, clusterDomain, searchDomains })) {
    for (const searched of wildcardsOf(candidate.name)) {
      // A service without VIP is headless if Kubernetes made it; any other is a name that only real DNS resolves.
      const services = mesh
        .servicesByHostname(searched)
        .filter((service) => service.vips.length > 0 || service.hostname.endsWith(inCluster));
      const service = bestService(services, namespace, rules.preferredNamespace);
      if (service !== undefined) return { service, stripped: isWildcard(searched) ? undefined : candidate.stripped };
    }
  }
  return undefined;
}

function isFamilyAllowed(service: Service, type: number, ipv6: boolean): boolean {
  if (type === TYPE_AAAA) return ipv6 && service.ipFamilies !== 'IPv4';
  return service.ipFamilies !== 'IPv6';
}

function vipsFor(service: Service, client: Workload, type: number): string[] {
  return service.vips.filter((vip) => vip.network === client.network && isOfType(vip.ip, type)).map((vip) => vip.ip);
}

/** One address for each endpoint. */
function endpointAddresses(service: Service, type: number, mesh: MeshNames): string[] {
  const addresses: string[] = [];
  for (const endpoint of mesh.endpointsOf(serviceKey(service))) {
    const ip = mesh.workloadByUid(endpoint.workloadUid)?.ips.find((one) => isOfType(one, type));
    if (ip !== undefined) addresses.push(ip);
  }
  return addresses;
}

function isOfType(ip: string, type: number): boolean {
  return ip.includes(':') === (type === TYPE_AAAA);
}

/** Fisher-Yates. */
function shuffle(addresses: string[], rules: AnswerRules): void {
  for (let last = addresses.length - 1; last > 0; last--) {
    const other = Math.floor(rules.random() * (last + 1));
    const [a, b] = [addresses[last], addresses[other]];
    if (a === undefined || b === undefined) continue;
    addresses[last] = b;
    addresses[other] = a;
  }
}
