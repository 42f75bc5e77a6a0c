import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  applyRules,
  buildAmbientPodRules,
  findTools,
  type Mark,
  removeRules,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { breakIpv6 } from './testing/break-ipv6.ts';
import { openThrowAway, withoutCounters } from './testing/throw-away-namespace.ts';

/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare', nsenter: 'nsenter' } as const;
const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures', name), 'utf8');
const rules = buildAmbientPodRules({ capture: 'tproxy' });
const ALL = { v4: 'applied', v6: 'applied' };

test.each([
  { name: 'tproxy', dns: false },
  { name: 'tproxy-dns', dns: true },
])('$name: the kernel lists the golden text, verify agrees, remove leaves nothing', async ({ name, dns }) => {
  await using pod = await openThrowAway();
  const wanted = buildAmbientPodRules({ capture: 'tproxy', dns });
  const before = pod.state();
  expect(await applyRules(wanted, pod)).toEqual(ALL);
  expect(withoutCounters(pod.inside('iptables-save'))).toBe(fixture(`${name}.v4.save`));
  expect(withoutCounters(pod.inside('ip6tables-save'))).toBe(fixture(`${name}.v6.save`));
  expect(pod.inside('ip rule')).toMatch(/^32764:\sfrom all fwmark 0x111\/0xfff lookup 100/m);
  expect(pod.inside('ip -6 rule')).toMatch(/^32764:\sfrom all fwmark 0x111\/0xfff lookup 100/m);
  expect(pod.inside('ip route show table 100')).toMatch(/^local default dev lo scope host/);
  expect(pod.inside('ip -6 route show table 100')).toMatch(/^local default dev lo/);
  expect(await verifyRules(wanted, pod)).toMatchObject({ intact: true });
  await removeRules(rules, pod);
  expect(pod.state().match(/ISTIO|^-A|32764|table 100/gm)).toBeNull();
  expect(before.match(/ISTIO|^-A|32764|table 100/gm)).toBeNull();
  await removeRules(rules, pod);
});

test('a descriptor names a namespace too, and stays open', async () => {
  await using pod = await openThrowAway();
  const fd = openSync(pod.namespace, 'r');
  try {
    expect(await applyRules(rules, { namespace: { fd } })).toEqual(ALL);
    expect(await verifyRules(rules, { namespace: { fd } })).toMatchObject({ intact: true });
  } finally {
    closeSync(fd);
  }
});

test('applying again changes nothing; drift is reported and repaired', async () => {
  await using pod = await openThrowAway();
  await applyRules(rules, pod);
  const good = pod.state();
  expect(await applyRules(rules, pod)).toEqual({ v4: 'unchanged', v6: 'unchanged' });
  expect(pod.state()).toBe(good);
  pod.inside(
    'iptables -t mangle -D ISTIO_PRERT 3; iptables -t nat -A ISTIO_OUTPUT -j RETURN; ip -6 rule del pref 32764',
  );
  expect(await verifyRules(rules, pod)).toEqual({
    intact: false,
    residue: true,
    v4: {
      intact: false,
      differences: [
        'mangle: missing -A ISTIO_PRERT ! -d 127.0.0.1/32 -i lo -p tcp -j ACCEPT',
        'nat: extra -A ISTIO_OUTPUT -j RETURN',
      ],
    },
    v6: { intact: false, differences: ['missing ip rule with priority 32764 to table 100'] },
  });
  expect(await applyRules(rules, pod)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(pod.state()).toBe(good);
  const withDns = buildAmbientPodRules({ capture: 'tproxy', dns: true });
  expect(await applyRules(withDns, pod)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(await verifyRules(withDns, pod)).toMatchObject({ intact: true });
  expect(await applyRules(rules, pod)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(pod.inside('iptables-save -t raw')).not.toMatch(/ISTIO/);
});

test.each([
  { off: 'all=1', keys: ['all', 'default', 'lo'] },
  { off: 'all but lo', keys: ['all', 'default'] },
])('IPv6 switched off ($off) is skipped and said', async ({ keys }) => {
  await using pod = await openThrowAway(
    `ip link set lo up; for k in ${keys.join(' ')}; do echo 1 >/proc/sys/net/ipv6/conf/$k/disable_ipv6; done; echo ${
      keys.includes('lo') ? 1 : 0
    } >/proc/sys/net/ipv6/conf/lo/disable_ipv6`,
  );
  expect(await applyRules(rules, pod)).toEqual({
    v4: 'applied',
    v6: 'skipped',
    v6Note: expect.stringContaining('disabled'),
  });
  expect(await verifyRules(rules, pod)).toMatchObject({
    intact: true,
    v6: { intact: true, skipped: expect.stringContaining('disabled') },
  });
  await removeRules(rules, pod);
  expect(pod.state().match(/ISTIO|32764/g)).toBeNull();
});

test('only lo without IPv6: rules yes, route no (6)', async () => {
  await using pod = await openThrowAway(
    'ip link set lo up; ip link add d0 type veth peer name d1; echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6',
  );
  expect(await applyRules(rules, pod)).toMatchObject({ ...ALL, v6Note: expect.stringContaining('lo') });
  expect(await verifyRules(rules, pod)).toMatchObject({ intact: true });
});

test('the legacy backend gives the same rules', async () => {
  await using pod = await openThrowAway();
  const options = { namespace: pod.namespace, tools: await findTools({ variant: 'legacy' }) };
  expect(options.tools.v4?.variant).toBe('legacy');
  expect(await applyRules(rules, options)).toEqual(ALL);
  expect(await applyRules(rules, options)).toEqual({ v4: 'unchanged', v6: 'unchanged' });
  expect(await verifyRules(rules, options)).toMatchObject({ intact: true });
  await expect(applyRules(breakIpv6(rules), options)).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' });
  expect(await verifyRules(rules, options)).toMatchObject({ intact: true });
  await removeRules(rules, options);
  expect(pod.inside('iptables-legacy-save; ip6tables-legacy-save').match(/ISTIO|^-A/gm)).toBeNull();
});

test('works as root of a user namespace, in every backend', async () => {
  const program = `
    import { applyRules, buildAmbientPodRules, detectBackend, findTools, removeRules, verifyRules } from '@ambientmesh/iptables';
    const rules = buildAmbientPodRules({ capture: 'tproxy' });
    const namespace = '/proc/self/ns/net';
    const detected = await detectBackend();
    console.log(detected.v4.name, detected.v6.name);
    for (const [variant, backend] of [['nft', 'iptables'], ['legacy', 'iptables'], ['nft', 'nftables']]) {
      const options = { namespace, backend, tools: await findTools({ variant }) };
      const result = await applyRules(rules, options);
      console.log(JSON.stringify(result), (await verifyRules(rules, options)).intact);
      await removeRules(rules, options);
    }`;
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', program];
  const said = execFileSync(SYSTEM.unshare, ['-Urn', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...node], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  const done = `${JSON.stringify(ALL)} true`;
  expect(said.trim().split('\n')).toEqual(['iptables-nft ip6tables-nft', done, done, done]);
});

const APP_MARK: Mark = { value: 0x539, mask: 0xfff };

test('traffic goes where section 7 says (plain sockets)', async () => {
  await using pod = await openThrowAway();
  await using host = await openThrowAway();
  host.inside(
    `ip link add v0 type veth peer name eth0 netns ${pod.pid}; ip addr add 10.9.0.1/24 dev v0; ip addr add 169.254.7.127/32 dev v0; ip link set v0 up`,
  );
  pod.inside('ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.9.0.1');
  await applyRules(rules, pod);
  // The proxy's mark, put on by the kernel: Node has no SO_MARK.
  pod.inside(`iptables -t mangle -I OUTPUT -p tcp --sport 4242 -j MARK --set-mark 0x${APP_MARK.value.toString(16)}`);
  await using servers = await openServers(pod.namespace, [15_001, 8080]);
  await using outside = await openServers(host.namespace, [80]);
  expect([servers.ports, outside.ports]).toEqual([[15_001, 8080], [80]]);
  const call = (from: string, options: object) =>
    execFileSync(SYSTEM.nsenter, [`--net=${from}`, process.execPath, '-e', CLIENT, JSON.stringify(options)], {
      encoding: 'utf8',
    });
  expect(call(pod.namespace, { host: '10.9.0.1', port: 80 })).toBe('15001 from 10.9.0.2');
  expect(call(pod.namespace, { host: '10.9.0.1', port: 80, localPort: 4242 })).toBe('80 from 10.9.0.2');
  expect(call(pod.namespace, { host: '10.9.0.2', port: 8080 })).toBe('8080 from 10.9.0.2');
  expect(call(pod.namespace, { host: '127.0.0.1', port: 8080 })).toBe('8080 from 127.0.0.1');
  expect(call(host.namespace, { host: '10.9.0.2', port: 8080, localAddress: '169.254.7.127' })).toBe(
    '8080 from 169.254.7.127',
  );
  // Without a transparent listener on 15006 the kernel drops what it would have handed over: fail closed.
  const captured = spawn(SYSTEM.nsenter, [
    `--net=${host.namespace}`,
    process.execPath,
    '-e',
    CLIENT,
    '{"host":"10.9.0.2","port":8080}',
  ]);
  const said: string[] = [];
  captured.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const hits = () => Number(/^\[(\d+):.*--on-port 15006/m.exec(pod.inside('iptables-save -c -t mangle'))?.[1]);
  await expect.poll(hits, { timeout: 10_000 }).toBeGreaterThan(0);
  captured.kill();
  await once(captured, 'close');
  expect(said).toEqual([]);
});

const SERVER = `
  const ports = JSON.parse(process.argv[1]);
  let left = ports.length;
  for (const port of ports)
    require('node:net')
      .createServer((socket) => {
        socket.on('error', () => {});
        socket.end(port + ' from ' + socket.remoteAddress);
      })
      .listen(port, '0.0.0.0', () => { if (--left === 0) console.log('ready'); });
  process.stdin.resume().on('end', () => process.exit());`;
const CLIENT = `
  const socket = require('node:net').connect(JSON.parse(process.argv[1]));
  socket.on('error', (error) => console.log(error.code));
  socket.pipe(process.stdout);`;

async function openServers(namespace: string, ports: readonly number[]) {
  const child = spawn(SYSTEM.nsenter, [`--net=${namespace}`, process.execPath, '-e', SERVER, JSON.stringify(ports)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    ports,
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await once(child, 'close');
    },
  };
}
