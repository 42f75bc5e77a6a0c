import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Feature, Namespace, probe } from './index.ts';

let namespace: Namespace;
beforeAll(() => {
  namespace = Namespace.create();
});
afterAll(() => namespace.close());

/** `probe()` in a process of its own, started by `command`. */
function probeBy(command: readonly [string, ...string[]]): ReturnType<typeof probe> {
  const script = `const { probe } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    console.log(JSON.stringify(probe()));`;
  const [program, ...args] = [...command, process.execPath, '--input-type=module', '-e', script];
  const { status, signal, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ended with ${status ?? signal}: ${stderr}`);
  return JSON.parse(stdout);
}

const missing = (result: ReturnType<typeof probe>): Partial<Record<Feature, string>> =>
  Object.fromEntries(
    Object.entries(result).flatMap(([name, support]) => (support.supported ? [] : [[name, support.reason]])),
  );

test('this process has what the other tests here need', () => {
  expect(missing(probe())).toEqual({});
});

test('without privileges each refusal names the capability', () => {
  expect(missing(probeBy(['setpriv', '--bounding-set=-all', '--inh-caps=-all']))).toEqual({
    setns: 'setns to the own namespace: EPERM (needs CAP_SYS_ADMIN)',
    createNamespace: 'setns to the own namespace: EPERM (needs CAP_SYS_ADMIN)',
    mark: 'SO_MARK=1337: EPERM (needs CAP_NET_ADMIN)',
    transparentV4: 'IP_TRANSPARENT=1: EPERM (needs CAP_NET_ADMIN)',
    transparentV6: 'IPV6_TRANSPARENT=1: EPERM (needs CAP_NET_ADMIN)',
    packetCapture: 'socket AF_PACKET: EPERM (needs CAP_NET_RAW)',
    rtnetlinkWrite: 'RTM_SETLINK: EPERM (needs CAP_NET_ADMIN)',
  });
});

test('where a namespace could be entered but not left again, probing and entering are refused, the process lives', () => {
  const result = probeBy(['unshare', '--user', '--map-root-user']);
  expect(missing(result)).toMatchObject({
    setns: expect.stringContaining('EPERM'),
    createNamespace: expect.stringContaining('EPERM'),
  });
});

test('in a user and network namespace of its own a process has everything', () => {
  expect(missing(probeBy(['unshare', '--user', '--map-root-user', '--net']))).toEqual({});
});

test('IPv6 that is disabled where the thread is says so', () => {
  expect(namespace.run(() => probe().ipv6)).toEqual({ supported: true });
  namespace.run(() => writeFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', '1'));
  expect(namespace.run(() => probe().ipv6)).toEqual({
    supported: false,
    reason: 'IPv6 is disabled (/proc/sys/net/ipv6/conf/all/disable_ipv6 is 1)',
  });
});

const readNetwork = (): string =>
  execFileSync('sh', ['-ec', 'ip -d addr; ip route show table all; ip rule; ip -6 route show table all; ip -6 rule'], {
    encoding: 'utf8',
  });

test('probing changes no link, address, route or rule', () => {
  using other = Namespace.create();
  const before = other.run(readNetwork);
  other.run(() => probe());
  expect(other.run(readNetwork)).toBe(before);
});
