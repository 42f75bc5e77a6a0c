import { NetnsError } from '../errors.ts';
import type { Namespace } from '../namespace.ts';
import {
  type AddressRecord,
  decodeAddress,
  encodeAddressAddition,
  encodeAddressDump,
  encodeAddressRemoval,
  type InterfaceAddress,
  type NewAddress,
} from './core/address.ts';
import type { IpFamily } from './core/ip-prefix.ts';
import {
  decodeLink,
  encodeLinkChange,
  encodeLinkCreation,
  encodeLinkDeletion,
  encodeLinkDump,
  encodeLinkQuery,
  type Link,
  type LinkRecord,
  type LinkSettings,
} from './core/link.ts';
import {
  decodeRule,
  encodeRuleAddition,
  encodeRuleDump,
  encodeRuleRemoval,
  type NewPolicyRule,
  type PolicyRule,
} from './core/policy-rule.ts';
import {
  decodeRoute,
  encodeRouteAddition,
  encodeRouteDump,
  encodeRouteRemoval,
  type NewRoute,
  type Route,
  type RouteFilter,
  type RouteRecord,
} from './core/route.ts';
import { NetlinkSocket } from './netlink-socket.ts';

/** The other end of a new veth. The kernel makes it switched off; `setLink` in its namespace switches it on. */
export interface VethPeer extends Omit<LinkSettings, 'up'> {
  readonly name: string;
  /** Where it goes; the namespace of the socket by default. */
  readonly namespace?: Namespace;
}

/** A link to make. */
export type NewLink = LinkSettings & {
  readonly name: string;
  /** Bridge to put it into. */
  readonly master?: string;
} & ({ readonly kind: 'veth'; readonly peer: VethPeer } | { readonly kind: 'bridge' | 'dummy' });

/** What to change at a link; what is absent stays. */
export interface LinkChange extends LinkSettings {
  /** Bridge to put it into, or null to take it out. */
  readonly master?: string | null;
  /** New name; most drivers want the link to be down. */
  readonly name?: string;
  /** Where to move it. */
  readonly namespace?: Namespace;
}

const FAMILIES: readonly IpFamily[] = [4, 6];
/** What the kernel says to a list of a table without routes, and of rules of a family it does not have. */
const NOTHING_THERE: readonly (string | undefined)[] = ['ENOENT', 'EAFNOSUPPORT'];

/**
 * Links, addresses, routes and policy rules of one namespace, read and changed over rtnetlink(7). Every call is synchronous
 * and takes tens of microseconds; it waits while others change the machine's network. Reading needs no privilege, changing
 * CAP_NET_ADMIN in the namespace. Interfaces go by name.
 *
 * All methods throw `NetnsError`: `NETNS_EXISTS` (EEXIST), `NETNS_PERMISSION` and, for every other refusal, `NETNS_REFUSED`,
 * with the kernel's `errno` (ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL: not there) and its words in `reason`;
 * `NETNS_INVALID_ARGUMENT` before anything is sent; `NETNS_CLOSED`; `NETNS_MALFORMED` or `NETNS_SYSTEM_CALL` if the answer is
 * not one, which closes the socket.
 */
export class RouteSocket implements Disposable {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Opens a socket in `namespace`, which lives as long as the socket; `namespace` itself may be closed. Without it, in the
   * namespace of the calling thread, which needs no privilege.
   * @throws {NetnsError} what `Namespace.run` throws, and `NETNS_SYSTEM_CALL`.
   */
  static open(namespace?: Namespace): RouteSocket {
    return new RouteSocket(NetlinkSocket.open(namespace));
  }

  /** All network interfaces, by index. */
  links(): Link[] {
    const records = this.#linkRecords();
    const names = namesOf(records);
    return records.map(({ masterIndex, ...link }) => {
      const master = masterIndex === undefined ? undefined : names.get(masterIndex);
      return master === undefined ? link : { ...link, master };
    });
  }

  /** Makes a link; a veth's two ends are made together, or none. */
  addLink(link: NewLink): void {
    const { master, ...fields } = link;
    const peer = fields.kind === 'veth' ? { peer: inNumbers(fields.peer) } : {};
    const masterIndex = master === undefined ? {} : { masterIndex: this.#indexOf(master) };
    this.#change(encodeLinkCreation({ ...fields, ...masterIndex, ...peer }), `add link ${link.name}`);
  }

  /** Changes a link, everything at once or nothing as far as the kernel can. */
  setLink(name: string, { master, ...change }: LinkChange): void {
    const index = this.#indexOf(name);
    let masterIndex = {};
    if (master === null) masterIndex = { masterIndex: 0 };
    else if (master !== undefined) masterIndex = { masterIndex: this.#indexOf(master) };
    this.#change(encodeLinkChange({ ...inNumbers(change), ...masterIndex, index }), `set link ${name}`);
  }

  /** Deletes a link; the other end of a veth goes too. ENODEV if there is none. */
  removeLink(name: string): void {
    this.#change(encodeLinkDeletion(name), `remove link ${name}`);
  }

  /** All IP addresses; those of interface `dev` if given (none if it is not there). */
  addresses(dev?: string): InterfaceAddress[] {
    const names = namesOf(this.#linkRecords());
    const found = FAMILIES.flatMap((family) =>
      this.#list<AddressRecord>(encodeAddressDump(family), `list IPv${family} addresses`, decodeAddress).filter(
        (address) => address.family === family,
      ),
    );
    return found
      .map(({ index, ...address }) => ({ dev: names.get(index) ?? `if${index}`, ...address }))
      .filter((address) => dev === undefined || address.dev === dev);
  }

  /** Adds an address. EEXIST if the interface has it. */
  addAddress(address: NewAddress): void {
    const index = this.#indexOf(address.dev);
    this.#change(encodeAddressAddition(address, index), `add address ${address.address} to ${address.dev}`);
  }

  /** Removes an address. EADDRNOTAVAIL if the interface does not have it. */
  removeAddress({ dev, address }: Pick<NewAddress, 'dev' | 'address'>): void {
    this.#change(encodeAddressRemoval(address, this.#indexOf(dev)), `remove address ${address} from ${dev}`);
  }

  /** Routes of all tables and both families, or of those of `filter`; without the route cache. A table without routes has none. */
  routes({ family, table }: RouteFilter = {}): Route[] {
    const names = namesOf(this.#linkRecords());
    const families = family === undefined ? FAMILIES : [family];
    return families
      .flatMap((one) =>
        this.#list<RouteRecord>(encodeRouteDump(one, table), `list IPv${one} routes`, decodeRoute).filter(
          // Old kernels do not filter, and a kernel without IPv6 answers with IPv4.
          (route) => route.family === one && (table === undefined || route.table === table),
        ),
      )
      .map((route) => nameInterfaces(route, names));
  }

  /** Adds a route. EEXIST if there is one for the destination with the same metric. */
  addRoute(route: NewRoute): void {
    this.#change(encodeRouteAddition(route, this.#routeIndex(route), false), `add ${describeRoute(route)}`);
  }

  /** Adds a route or puts it in the place of the one for the same destination and metric. */
  replaceRoute(route: NewRoute): void {
    this.#change(encodeRouteAddition(route, this.#routeIndex(route), true), `replace ${describeRoute(route)}`);
  }

  /** Removes the first route that has what `route` says (of IPv6, the kernel does not compare the type). ESRCH, for `::/0` ENOENT, if there is none. */
  removeRoute(route: NewRoute): void {
    this.#change(encodeRouteRemoval(route, this.#routeIndex(route)), `remove ${describeRoute(route)}`);
  }

  /** Policy rules of both families, or of one; in the order they are asked. */
  rules(family?: IpFamily): PolicyRule[] {
    return (family === undefined ? FAMILIES : [family]).flatMap((one) =>
      this.#list(encodeRuleDump(one), `list IPv${one} rules`, decodeRule).filter((rule) => rule.family === one),
    );
  }

  /** Adds a rule. EEXIST if there is the same. `NETNS_INVALID_ARGUMENT` for a `lookup` without `table`. */
  addRule(rule: NewPolicyRule): void {
    this.#change(encodeRuleAddition(rule), `add ${describeRule(rule)}`);
  }

  /**
   * Removes the first rule that has what `rule` says; what it leaves out is not compared. ENOENT if there is none.
   * `NETNS_INVALID_ARGUMENT` if it names no priority, table, mark, prefix or interface: any rule would do.
   */
  removeRule(rule: NewPolicyRule): void {
    this.#change(encodeRuleRemoval(rule), `remove ${describeRule(rule)}`);
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #change(request: Parameters<NetlinkSocket['exchange']>[0], what: string): void {
    this.#socket.exchange(request, what);
  }

  #list<T>(
    request: Parameters<NetlinkSocket['exchange']>[0],
    what: string,
    decode: (payload: Buffer) => T | undefined,
  ): T[] {
    let payloads: Buffer[];
    try {
      payloads = this.#socket.exchange(request, what);
    } catch (error) {
      if (error instanceof NetnsError && NOTHING_THERE.includes(error.errno)) return [];
      throw error;
    }
    return payloads.map(decode).filter((entry) => entry !== undefined);
  }

  #linkRecords(): LinkRecord[] {
    return this.#list(encodeLinkDump(), 'list links', decodeLink);
  }

  #indexOf(name: string): number {
    const [payload] = this.#socket.exchange(encodeLinkQuery(name), `find link ${name}`);
    if (payload === undefined) throw new NetnsError('NETNS_MALFORMED', `find link ${name}: the kernel says nothing`);
    return decodeLink(payload).index;
  }

  #routeIndex({ dev }: NewRoute): number | undefined {
    return dev === undefined ? undefined : this.#indexOf(dev);
  }
}

function inNumbers<T extends { readonly namespace?: Namespace }>(
  settings: T,
): Omit<T, 'namespace'> & { readonly namespaceFd?: number } {
  const { namespace, ...fields } = settings;
  return namespace === undefined ? fields : { ...fields, namespaceFd: namespace.fd };
}

function namesOf(links: readonly LinkRecord[]): ReadonlyMap<number, string> {
  return new Map(links.map(({ index, name }) => [index, name]));
}

function nameInterfaces({ index, nextHops, ...route }: RouteRecord, names: ReadonlyMap<number, string>): Route {
  const hops = nextHops?.map(({ index: hop, ...rest }) => ({ ...rest, ...nameOfDevice(hop, names) }));
  return { ...route, ...nameOfDevice(index, names), ...(hops === undefined ? {} : { nextHops: hops }) };
}

function nameOfDevice(index: number | undefined, names: ReadonlyMap<number, string>): { readonly dev?: string } {
  // A link may have gone between the two lists; its routes are going as well.
  return index === undefined ? {} : { dev: names.get(index) ?? `if${index}` };
}

function describeRoute({ dst, table }: NewRoute): string {
  return `route ${dst}${table === undefined ? '' : ` of table ${table}`}`;
}

function describeRule({ family, priority, table }: NewPolicyRule): string {
  const words = [priority === undefined ? '' : ` priority ${priority}`, table === undefined ? '' : ` table ${table}`];
  return `IPv${family} rule${words.join('')}`;
}
