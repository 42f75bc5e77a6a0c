import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Family, Ipv6State, NamespaceNetworking, PolicyRouting, RoutingState } from '@ambientmesh/iptables';
import {
  duplicate,
  type IpFamily,
  Namespace,
  NetnsError,
  type NewPolicyRule,
  type NewRoute,
  type PolicyRule,
  RouteSocket,
} from '@ambientmesh/netns';

/** Sysctls are those of the namespace of the thread that looks. */
const SYSCTLS = '/proc/sys/net';
const IPV6_INTERFACES = `${SYSCTLS}/ipv6/conf`;

/** What rules need of a pod's network beside the firewall, without starting a process. Rejects with `NetnsError`s. */
export const podNetworking: NamespaceNetworking = {
  readIpv6State: async ({ fd }) => withNamespace(fd, (namespace) => namespace.run(readIpv6State)),
  readRouting: async ({ fd }, family, routing) => withRoutes(fd, (routes) => readRouting(routes, family, routing)),
  changeRouting: async ({ fd }, family, routing, { current, wanted }) => {
    withRoutes(fd, (routes) => {
      const route = buildRoute(family, routing);
      const rule = buildRule(family, routing);
      if (wanted.route && !current.route) routes.replaceRoute(route);
      if (wanted.rule && !current.rule) unless(['EEXIST'], () => routes.addRule(rule));
      if (!wanted.rule && current.rule) unless(['ENOENT'], () => routes.removeRule(rule));
      // An empty IPv6 table says ENOENT.
      if (!wanted.route && current.route) unless(['ESRCH', 'ENOENT'], () => routes.removeRoute(route));
    });
  },
};

function withNamespace<T>(fd: number, work: (namespace: Namespace) => T): T {
  const namespace = Namespace.ofDescriptor(duplicate(fd));
  try {
    return work(namespace);
  } finally {
    namespace.close();
  }
}

function withRoutes<T>(fd: number, work: (routes: RouteSocket) => T): T {
  const routes = withNamespace(fd, (namespace) => RouteSocket.open(namespace));
  try {
    return work(routes);
  } finally {
    routes.close();
  }
}

function readIpv6State(): Ipv6State {
  // Without /proc, "no IPv6" would be a guess that lets traffic pass.
  readdirSync(SYSCTLS);
  if (!existsSync(IPV6_INTERFACES)) return { usable: false, kernel: false, reason: 'the kernel has no IPv6' };
  const enabled = readdirSync(IPV6_INTERFACES).filter((name) => !isDisabled(name));
  if (enabled.some((name) => name !== 'lo')) return { usable: true, loopback: enabled.includes('lo') };
  return { usable: false, kernel: true, reason: 'IPv6 is disabled (net.ipv6.conf.*.disable_ipv6 is 1)' };
}

/** What cannot be read counts as switched on: skipping it would let traffic pass. */
function isDisabled(name: string): boolean {
  try {
    return readFileSync(`${IPV6_INTERFACES}/${name}/disable_ipv6`, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

function readRouting(routes: RouteSocket, family: Family, routing: PolicyRouting): RoutingState {
  const number = ipFamily(family);
  const { dst } = buildRoute(family, routing);
  return {
    rule: routes.rules(number).some((rule) => isOurs(rule, routing)),
    route: routes
      .routes({ family: number, table: routing.table })
      .some((route) => route.type === 'local' && route.dst === dst && route.dev === 'lo'),
  };
}

function isOurs(rule: PolicyRule, { mark, priority, table }: PolicyRouting): boolean {
  const { from, to, iif, oif } = rule;
  const isPlain = [from, to, iif, oif].every((condition) => condition === undefined) && !rule.inverted && !rule.more;
  const isForMark = rule.mark?.value === mark.value && rule.mark.mask === mark.mask;
  return isPlain && isForMark && rule.priority === priority && rule.table === table;
}

function buildRoute(family: Family, { table }: PolicyRouting): NewRoute {
  return { type: 'local', dst: family === 'ipv4' ? '0.0.0.0/0' : '::/0', dev: 'lo', table };
}

function buildRule(family: Family, { mark, priority, table }: PolicyRouting): NewPolicyRule {
  return { family: ipFamily(family), priority, mark, table };
}

function ipFamily(family: Family): IpFamily {
  return family === 'ipv4' ? 4 : 6;
}

/** What somebody else has done meanwhile (one of `settled`) is success. */
function unless(settled: readonly string[], change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof NetnsError) || error.errno === undefined || !settled.includes(error.errno)) throw error;
  }
}
