import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { applyRules, buildAmbientPodRules, findTools, removeRules, verifyRules } from '@ambientmesh/iptables';
import { Namespace, RouteSocket } from '@ambientmesh/netns';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { podNetworking } from './pod-networking.ts';

const ROUTING = { mark: { value: 0x111, mask: 0xfff }, priority: 32_764, table: 100 };
const FAMILIES = ['ipv4', 'ipv6'] as const;
const NOTHING = { rule: false, route: false };
const BOTH = { rule: true, route: true };
const STATE = 'ip rule; ip -6 rule; ip route show table all; ip -6 route show table 100 2>/dev/null || true';
let pod: Namespace;
const inside = (command: string): string =>
  pod.run(() => execFileSync('sh', ['-ec', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));

beforeEach(() => {
  pod = Namespace.create();
  inside('ip link set lo up; ip link add eth0 type veth peer name eth0-end');
});
afterEach(() => {
  pod.close();
});

test.each(FAMILIES)('%s: rule and route are added and removed, as `ip` sees them; twice is once', async (family) => {
  const flag = family === 'ipv4' ? '-4' : '-6';
  expect(await podNetworking.readRouting(pod, family, ROUTING)).toEqual(NOTHING);
  for (let time = 0; time < 2; time += 1)
    await podNetworking.changeRouting(pod, family, ROUTING, { current: NOTHING, wanted: BOTH });
  expect(await podNetworking.readRouting(pod, family, ROUTING)).toEqual(BOTH);
  expect(inside(`ip ${flag} rule`).match(/^32764:\s+from all fwmark 0x111\/0xfff lookup 100\s*$/gm)).toHaveLength(1);
  expect(inside(`ip ${flag} route show table 100`)).toMatch(/^local default dev lo /);
  for (let time = 0; time < 2; time += 1)
    await podNetworking.changeRouting(pod, family, ROUTING, { current: BOTH, wanted: NOTHING });
  expect(inside(`ip ${flag} rule`)).not.toContain('0x111');
  expect(await podNetworking.readRouting(pod, family, ROUTING)).toEqual(NOTHING);
});

test.each([
  'ip rule add pref 32764 fwmark 0x111/0xfff lookup 101',
  'ip rule add pref 32763 fwmark 0x111/0xfff lookup 100',
  'ip rule add pref 32764 fwmark 0x111 lookup 100',
  'ip rule add pref 32764 fwmark 0x111/0xfff to 10.0.0.0/8 lookup 100',
  'ip rule add pref 32764 fwmark 0x111/0xfff iif eth0 lookup 100',
  'ip rule add pref 32764 not fwmark 0x111/0xfff lookup 100',
  'ip rule add pref 32764 fwmark 0x111/0xfff ipproto tcp lookup 100',
  'ip route add 10.0.0.0/8 dev lo table 100',
  'ip link set eth0 up; ip route add default dev eth0 table 100',
])('`%s` is not ours', async (command) => {
  inside(command);
  expect(await podNetworking.readRouting(pod, 'ipv4', ROUTING)).toEqual(NOTHING);
});

test('IPv6 is usable unless every interface but lo has it disabled', async () => {
  const disable = (name: string, value: '0' | '1'): void =>
    pod.run(() => writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, value));
  expect(await podNetworking.readIpv6State(pod)).toEqual({ usable: true, loopback: true });
  disable('lo', '1');
  expect(await podNetworking.readIpv6State(pod)).toEqual({ usable: true, loopback: false });
  disable('all', '1');
  expect(await podNetworking.readIpv6State(pod)).toMatchObject({ usable: false, kernel: true });
  disable('eth0', '0');
  expect(await podNetworking.readIpv6State(pod)).toMatchObject({ usable: true });
});

test('the ambient rules: applied over netlink, intact to both, removed without a trace and without leaks', async () => {
  const rules = buildAmbientPodRules({ capture: 'tproxy', ipv6: true });
  const tools = await findTools();
  const { fd } = pod;
  const namespace = { fd };
  const netlink = { namespace, tools, networking: podNetworking };
  const before = inside(STATE);
  const descriptors = readdirSync('/proc/self/fd').length;
  await applyRules(rules, netlink);
  expect(await verifyRules(rules, netlink)).toMatchObject({ intact: true });
  expect(await verifyRules(rules, { namespace, tools })).toMatchObject({ intact: true });
  expect(inside('ip rule')).toContain('0x111');
  await removeRules(rules, netlink);
  expect(inside(STATE)).toBe(before);
  expect(readdirSync('/proc/self/fd')).toHaveLength(descriptors);
});

test('what is refused keeps the errno', async () => {
  inside('ip link set lo down');
  await expect(
    podNetworking.changeRouting(pod, 'ipv6', ROUTING, { current: NOTHING, wanted: BOTH }),
  ).rejects.toMatchObject({ code: 'NETNS_REFUSED', errno: 'ENETDOWN' });
  const routes = RouteSocket.open(pod);
  expect(routes.rules(6).some(({ priority }) => priority === ROUTING.priority)).toBe(false);
  routes.close();
});
