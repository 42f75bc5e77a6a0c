import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { RouteSocket as PublicRouteSocket } from '@ambientmesh/netns';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Namespace, NetnsError, type Route, RouteSocket } from '../index.ts';

let near: Namespace;
let far: Namespace;
let netlink: RouteSocket;
beforeAll(() => {
  far = Namespace.create();
});
beforeEach(() => {
  near = Namespace.create();
  netlink = RouteSocket.open(near);
});
afterEach(() => {
  netlink.close();
  near.close();
});
afterAll(() => {
  far.close();
});

type Json = Readonly<Record<string, unknown>>;
/** What `ip -j …` says in the namespace. */
function ip(...args: string[]): Json[] {
  const output = near.run(() => execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }));
  return output.trim() === '' ? [] : JSON.parse(output);
}
function run(command: string, namespace = near): void {
  namespace.run(() => execFileSync('sh', ['-ec', command]));
}
function failure(action: () => void): { code: string; errno: string | undefined; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof NetnsError) return { code: error.code, errno: error.errno, message: error.message };
    throw error;
  }
  throw new Error('it did not fail');
}
/** `d0`, which is on and has a carrier. */
function addD0(): void {
  netlink.addLink({ kind: 'veth', name: 'd0', peer: { name: 'd0-end' }, up: true });
  netlink.setLink('d0-end', { up: true });
}
const byAddress = (one: { readonly address: string }, two: { readonly address: string }): number =>
  one.address.localeCompare(two.address);
const withoutLength = (text: string | undefined): string | undefined => text?.replace(/\/.*/, '');

test('links: the same as `ip link` says', () => {
  run(`ip link add br0 type bridge; ip link add d0 mtu 1400 master br0 type veth peer name d1; ip link set d0 up
    ip link add v0 type veth peer name v1; ip link set lo up
    ip link add far0 type veth peer name near0 netns ${process.pid}; ip link set far0 address 02:00:00:00:00:09`);
  const links = netlink.links();
  const said = ip('-d', 'link', 'show');
  expect(
    links.map(({ index, name, kind, mtu, mac, master, up: on, loopback, peer }) => ({
      index,
      name,
      kind,
      mtu,
      mac,
      master,
      on,
      loopback,
      peerNamespace: peer?.namespaceNumber,
    })),
  ).toEqual(
    said.map((link) => ({
      index: link['ifindex'],
      name: link['ifname'],
      kind: Object(link['linkinfo'])['info_kind'],
      mtu: link['mtu'],
      mac: link['address'],
      master: link['master'],
      on: Array.isArray(link['flags']) && link['flags'].includes('UP'),
      loopback: link['link_type'] === 'loopback',
      peerNamespace: link['link_netnsid'],
    })),
  );
  const [v0, v1] = ['v0', 'v1'].map((name) => links.find((link) => link.name === name));
  expect(v0?.peer).toEqual({ index: v1?.index });
  netlink.removeLink('far0');
});

test('a veth pair with its other end in another namespace, whole or not at all', () => {
  netlink.addLink({
    kind: 'veth',
    name: 'cable0',
    mtu: 1_400,
    mac: '02:00:00:00:00:01',
    up: true,
    peer: { name: 'eth0', namespace: far, mtu: 1_300, mac: '02:00:00:00:00:02' },
  });
  using other = RouteSocket.open(far);
  other.setLink('eth0', { up: true });
  expect(netlink.links().find(({ name }) => name === 'cable0')).toMatchObject({
    kind: 'veth',
    up: true,
    carrier: true,
    mtu: 1_400,
    mac: '02:00:00:00:00:01',
    peer: { namespaceNumber: expect.any(Number) },
  });
  expect(other.links().find(({ name }) => name === 'eth0')).toMatchObject({
    kind: 'veth',
    up: true,
    mtu: 1_300,
    mac: '02:00:00:00:00:02',
  });
  expect(
    failure(() => netlink.addLink({ kind: 'veth', name: 'cable1', peer: { name: 'eth0', namespace: far } })),
  ).toMatchObject({ code: 'NETNS_EXISTS', errno: 'EEXIST' });
  expect(netlink.links().map(({ name }) => name)).not.toContain('cable1');
  netlink.removeLink('cable0');
  expect(other.links().map(({ name }) => name)).not.toContain('eth0');
});

test('links are changed: up, mtu, mac, master, name, namespace', () => {
  netlink.addLink({ kind: 'bridge', name: 'br0', up: true });
  netlink.addLink({ kind: 'veth', name: 'd0', master: 'br0', peer: { name: 'd0-end' } });
  expect(netlink.links().find(({ name }) => name === 'd0')).toMatchObject({ up: false, master: 'br0', kind: 'veth' });
  netlink.setLink('d0', { up: true, mtu: 1_280, mac: '02:00:00:00:00:0a', master: null });
  const changed = netlink.links().find(({ name }) => name === 'd0');
  expect(changed).toMatchObject({ up: true, mtu: 1_280, mac: '02:00:00:00:00:0a' });
  expect(changed).not.toHaveProperty('master');
  netlink.setLink('d0', { master: 'br0' });
  expect(netlink.links().find(({ name }) => name === 'd0')?.master).toBe('br0');
  netlink.setLink('d0', { up: false, master: null });
  netlink.setLink('d0', { name: 'd1' });
  netlink.setLink('d1', { namespace: far });
  expect(netlink.links().map(({ name }) => name)).toEqual(['lo', 'br0', 'd0-end']);
  using other = RouteSocket.open(far);
  other.removeLink('d1');
  netlink.removeLink('br0');
  expect(netlink.links().map(({ name }) => name)).toEqual(['lo']);
});

test('addresses: the same as `ip address` says', () => {
  netlink.setLink('lo', { up: true });
  addD0();
  netlink.addAddress({ dev: 'd0', address: '10.9.0.1/24', broadcast: '10.9.0.255' });
  netlink.addAddress({ dev: 'd0', address: '10.9.0.7' });
  netlink.addAddress({ dev: 'd0', address: 'fd09::1/64', nodad: true });
  run('ip address add 10.8.0.1 peer 10.8.0.2/31 dev d0');
  const said = ip('address', 'show').flatMap((link) =>
    (Array.isArray(link['addr_info']) ? link['addr_info'] : []).map((info: Json) => ({
      dev: link['ifname'],
      address: `${String(info['local'])}/${String(info['prefixlen'])}`,
      scope: info['scope'],
      broadcast: info['broadcast'],
      peer: info['address'],
      tentative: info['tentative'] ?? false,
      nodad: info['nodad'] ?? false,
    })),
  );
  const addresses = netlink.addresses().map(({ dev, address, scope, broadcast, peer, tentative, nodad }) => ({
    dev,
    address,
    scope,
    broadcast,
    peer,
    tentative,
    nodad,
  }));
  expect(addresses.toSorted(byAddress)).toEqual(said.toSorted(byAddress));
  expect(netlink.addresses('lo').map(({ address }) => address)).toEqual(['127.0.0.1/8', '::1/128']);
  expect(failure(() => netlink.addAddress({ dev: 'd0', address: '10.9.0.1/24' }))).toMatchObject({
    code: 'NETNS_EXISTS',
    errno: 'EEXIST',
  });
  netlink.removeAddress({ dev: 'd0', address: '10.9.0.1/24' });
  netlink.removeAddress({ dev: 'd0', address: 'fd09::1/64' });
  expect(failure(() => netlink.removeAddress({ dev: 'd0', address: '10.9.0.1/24' }))).toMatchObject({
    code: 'NETNS_REFUSED',
    errno: 'EADDRNOTAVAIL',
  });
  expect(netlink.addresses('d0').map(({ address }) => address)).not.toContain('fd09::1/64');
});

const ROUTES = [
  { dst: '10.20.0.0/16', dev: 'd0' },
  { dst: '10.21.0.0/16', via: '10.9.0.2', metric: 5, src: '10.9.0.1' },
  { dst: '0.0.0.0/0', via: '192.0.2.1', dev: 'd0', onlink: true, table: 1_000 },
  { dst: '0.0.0.0/0', type: 'local', dev: 'lo', table: 100 },
  { dst: '10.22.0.0/16', type: 'unreachable' },
  { dst: '10.23.0.0/16', type: 'blackhole', table: 70_000 },
  { dst: '10.24.0.0/16', via: 'fd09::2', dev: 'd0' },
  { dst: 'fd20::/16', dev: 'd0' },
  { dst: 'fd21::/16', via: 'fd09::2', metric: 5 },
  { dst: '::/0', type: 'local', dev: 'lo', table: 100 },
  { dst: 'fd22::/16', type: 'unreachable' },
  { dst: 'fd23::5', type: 'blackhole', table: 70_000 },
] as const;

async function prepareRoutes(): Promise<void> {
  // Link-local addresses come when they like.
  run('echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode');
  netlink.setLink('lo', { up: true });
  addD0();
  netlink.addAddress({ dev: 'd0', address: '10.9.0.1/24' });
  netlink.addAddress({ dev: 'd0', address: 'fd09::1/64', nodad: true });
  // The kernel adds the address's own route a moment later.
  await vi.waitFor(() => {
    expect(netlink.routes({ family: 6, table: 255 }).map(({ dst }) => dst)).toContain('fd09::1/128');
  });
}

test.each(ROUTES)('route $dst type $type table $table is added, found, refused twice, removed', async (route) => {
  await prepareRoutes();
  const dst = route.dst.includes('/') ? route.dst : `${route.dst}/128`;
  const { table = 254, metric = route.dst.includes(':') ? 1_024 : 0 } = {
    table: undefined,
    metric: undefined,
    ...route,
  };
  const found = (): Route[] => netlink.routes({ table }).filter((one) => one.dst === dst);
  netlink.addRoute(route);
  expect(found()).toEqual([expect.objectContaining({ type: 'unicast', protocol: 3, ...route, dst, table, metric })]);
  expect(netlink.routes()).toContainEqual(found()[0]);
  expect(failure(() => netlink.addRoute(route))).toMatchObject({ code: 'NETNS_EXISTS', errno: 'EEXIST' });
  netlink.replaceRoute(route);
  expect(found()).toHaveLength(1);
  netlink.removeRoute(route);
  expect(found()).toEqual([]);
  const errno = dst === '::/0' ? 'ENOENT' : 'ESRCH';
  expect(failure(() => netlink.removeRoute(route))).toMatchObject({ code: 'NETNS_REFUSED', errno });
});

test('routes: the same as `ip route` says, and what it made is removed', async () => {
  await prepareRoutes();
  for (const route of ROUTES) netlink.addRoute(route);
  run('ip route add 10.30.0.0/16 nexthop via 10.9.0.3 dev d0 nexthop via 10.9.0.4 dev d0');
  for (const family of [4, 6] as const) {
    const said = ip(`-${family}`, '-N', 'route', 'show', 'table', 'all');
    const whole = family === 4 ? '0.0.0.0/0' : '::/0';
    const bits = family === 4 ? 32 : 128;
    const texts = said.map((route) => {
      const dst = route['dst'] === 'default' ? whole : String(route['dst']);
      const via = route['gateway'] ?? Object(route['via'])['host'];
      return JSON.stringify([
        dst.includes('/') ? dst : `${dst}/${bits}`,
        via,
        route['dev'],
        Number(route['table'] ?? 254),
        route['metric'] ?? 0,
        route['prefsrc'],
      ]);
    });
    const routes = netlink.routes({ family });
    expect(
      routes
        .map(({ dst, via, dev, table, metric, src }) => JSON.stringify([dst, via, dev, table, metric, src]))
        .toSorted(),
    ).toEqual(texts.toSorted());
  }
  expect(netlink.routes({ family: 4 }).find(({ dst }) => dst === '10.30.0.0/16')?.nextHops).toEqual([
    { via: '10.9.0.3', dev: 'd0', onlink: false },
    { via: '10.9.0.4', dev: 'd0', onlink: false },
  ]);
  const more = (dst: string): boolean | undefined => netlink.routes().find((route) => route.dst === dst)?.more;
  expect(netlink.routes().filter((route) => route.more)).toEqual([]);
  run('ip route add 10.50.0.0/16 dev d0 mtu 1300; ip route add fd50::/32 dev d0 pref high');
  run('ip route add fd51::/32 dev d0 mtu 1300; ip route add fd52::/32 dev d0 expires 60');
  run('ip route add 10.51.0.0/16 nexthop via 10.9.0.3 dev d0 weight 3 nexthop via 10.9.0.4 dev d0');
  const special = ['10.50.0.0/16', '10.51.0.0/16', 'fd50::/32', 'fd51::/32', 'fd52::/32'];
  expect(special.filter(more)).toEqual(special);
  run('ip route add local 10.40.0.0/16 dev lo table 100 scope host');
  netlink.removeRoute({ dst: '10.40.0.0/16', table: 100 });
  expect(netlink.routes({ table: 100 }).map(({ dst }) => dst)).toEqual(['0.0.0.0/0', '::/0']);
  expect(netlink.routes({ table: 4_711 })).toEqual([]);
});

const RULES = [
  { family: 4, priority: 32_764, mark: { value: 0x539, mask: 0xfff }, table: 100 },
  { family: 6, priority: 32_764, mark: { value: 0xffff_fffe, mask: 0xffff_ffff }, table: 70_000 },
  { family: 4, priority: 10, from: '10.0.0.0/8', to: '10.1.0.0/16', iif: 'lo', oif: 'd0', table: 254 },
  { family: 6, priority: 11, from: 'fd00::/8', to: '::1/128', table: 254 },
  { family: 4, priority: 12, action: 'unreachable', to: '192.0.2.0/24' },
  { family: 6, priority: 13, action: 'blackhole' },
] as const;

test.each(RULES)('IPv$family rule of priority $priority is added, found, refused twice, removed', (rule) => {
  const before = netlink.rules();
  netlink.addRule(rule);
  const added = netlink.rules(rule.family).find(({ priority }) => priority === rule.priority);
  expect(added).toEqual({ action: 'lookup', inverted: false, more: false, ...rule });
  expect(failure(() => netlink.addRule(rule))).toMatchObject({ code: 'NETNS_EXISTS', errno: 'EEXIST' });
  netlink.removeRule(rule);
  expect(netlink.rules()).toEqual(before);
  expect(failure(() => netlink.removeRule(rule))).toMatchObject({ code: 'NETNS_REFUSED', errno: 'ENOENT' });
});

test('rules: the same as `ip rule` says', () => {
  for (const rule of RULES) netlink.addRule(rule);
  run('ip rule add pref 20 not fwmark 7 lookup 9; ip rule add pref 21 ipproto tcp dport 80 lookup 9');
  run('ip rule add pref 22 lookup 9 suppress_prefixlength 0; ip rule add pref 23 tos 0x10 lookup 9');
  for (const family of [4, 6] as const) {
    const texts = ip(`-${family}`, '-N', 'rule', 'show').map((rule) => [
      rule['priority'],
      rule['action'] === undefined ? Number(rule['table']) : undefined,
      rule['fwmark'] === undefined ? undefined : Number(rule['fwmark']),
      rule['src'] === 'all' ? undefined : rule['src'],
      rule['dst'],
    ]);
    const rules = netlink.rules(family);
    expect(
      rules.map(({ priority, table, mark, from, to }) => [
        priority,
        table,
        mark?.value,
        withoutLength(from),
        withoutLength(to),
      ]),
    ).toEqual(texts);
  }
  const special = netlink.rules(4).filter(({ priority }) => priority >= 20 && priority <= 23);
  expect(special.map(({ inverted, more }) => ({ inverted, more }))).toEqual([
    { inverted: true, more: false },
    { inverted: false, more: true },
    { inverted: false, more: true },
    { inverted: false, more: true },
  ]);
});

test('refusals carry the kernel’s errno, its words, the operation and the namespace', () => {
  expect(failure(() => netlink.addRoute({ dst: '10.0.0.1/8', type: 'blackhole' }))).toEqual({
    code: 'NETNS_REFUSED',
    errno: 'EINVAL',
    message: `add route 10.0.0.1/8 in netns ${near.id.inode}: EINVAL (Invalid prefix for given prefix length)`,
  });
  expect(failure(() => netlink.addAddress({ dev: 'none', address: '10.0.0.1/8' }))).toMatchObject({
    code: 'NETNS_REFUSED',
    errno: 'ENODEV',
    message: expect.stringContaining('find link none'),
  });
  expect(failure(() => netlink.addLink({ kind: 'dummy', name: 'longer-than-15-bytes' }))).toMatchObject({
    code: 'NETNS_INVALID_ARGUMENT',
  });
  // After all of these the socket still works.
  expect(netlink.links()).toHaveLength(1);
});

test('who may not change the network is told what it takes', () => {
  const script = `
    const { RouteSocket } = await import(${JSON.stringify(new URL('../index.ts', import.meta.url).href)});
    const socket = RouteSocket.open();
    try { socket.addRule({ family: 4, priority: 9, table: 9 }); } catch ({ code, errno, message }) {
      console.log(code, errno, message, socket.links().length > 0);
    }`;
  const output = near.run(() =>
    execFileSync(
      'setpriv',
      ['--bounding-set=-all', '--inh-caps=-all', process.execPath, '--input-type=module', '-e', script],
      {
        encoding: 'utf8',
      },
    ),
  );
  expect(output).toMatch(/^NETNS_PERMISSION EPERM add IPv4 rule .*needs CAP_NET_ADMIN\) true$/m);
});

test('a long list comes in many pieces, whole', async () => {
  await prepareRoutes();
  const count = 3_000;
  const lines = Array.from(
    { length: count },
    (_, index) => `route add 172.16.${index >> 8}.${index & 255} dev d0 table 7`,
  );
  near.run(() => execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') }));
  const routes = netlink.routes({ table: 7 });
  expect(new Set(routes.map(({ dst }) => dst)).size).toBe(count);
});

test('nothing is left open, whatever fails', () => {
  const before = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 1_000; round += 1) {
    const socket = RouteSocket.open(near);
    if (round % 2 === 0) failure(() => socket.removeRule({ family: 4, priority: 1, table: 1 }));
    socket.close();
    socket.close();
    expect(failure(() => socket.links()).code).toBe('NETNS_CLOSED');
  }
  const gone = Namespace.create();
  gone.close();
  expect(failure(() => RouteSocket.open(gone).close()).code).toBe('NETNS_CLOSED');
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

test('the socket outlives the object it was opened with', () => {
  const short = Namespace.create();
  using socket = PublicRouteSocket.open(short);
  short.close();
  expect(socket.links().map(({ name }) => name)).toEqual(['lo']);
});
