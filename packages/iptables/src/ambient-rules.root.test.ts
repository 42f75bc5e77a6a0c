import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AmbientPodRules,
  applyRules,
  buildAmbientPodRules,
  findTools,
  type Mark,
  removeRules,
  type Tools,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare', nsenter: 'nsenter', setpriv: 'setpriv' } as const;
const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures', name), 'utf8');
const rules = buildAmbientPodRules({ capture: 'tproxy' });
const ALL = { v4: 'applied', v6: 'applied' };

/** A namespace that lives as long as a process which ends when we do: it waits for its input to end. */
async function openThrowAway(prepare = 'ip link set lo up', unshare: readonly string[] = ['-n']) {
  const child = spawn(SYSTEM.unshare, [...unshare, 'sh', '-c', `${prepare}; echo ready; exec cat`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const namespace = `/proc/${child.pid}/ns/net`;
  const inside = (command: string, input = '') =>
    execFileSync(SYSTEM.nsenter, [`--net=${namespace}`, 'sh', '-c', command], {
      encoding: 'utf8',
      input,
      stdio: 'pipe',
    });
  return {
    pid: child.pid ?? 0,
    namespace,
    inside,
    /** Everything a mistake could show up in, without counters and dates. */
    state: () =>
      inside(
        'iptables-save; ip6tables-save; for f in -4 -6; do ip $f rule; ip $f route show table all 2>/dev/null; done; true',
      )
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
        .join('\n'),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await once(child, 'close');
    },
  };
}

/** Ambient rules of which the IPv6 half has one rule that the kernel refuses, in its last table. */
function breakIpv6(good: AmbientPodRules): AmbientPodRules {
  if (good.v6 === undefined) throw new Error('expected IPv6 rules');
  const bad = { target: 'raw', text: 'DNAT --to-destination 10.0.0.1' } as const;
  const tables = good.v6.tables.map((table) =>
    table.name === 'nat'
      ? { ...table, rules: [...table.rules, { chain: 'ISTIO_OUTPUT', matches: [], target: bad }] }
      : table,
  );
  return { ...good, v6: { ...good.v6, tables } };
}

const saved = (text: string) =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
    .join('\n');

test.each([
  { name: 'tproxy', dns: false },
  { name: 'tproxy-dns', dns: true },
])('$name: the kernel lists the golden text, verify agrees, remove leaves nothing', async ({ name, dns }) => {
  await using pod = await openThrowAway();
  const wanted = buildAmbientPodRules({ capture: 'tproxy', dns });
  const before = pod.state();
  expect(await applyRules(wanted, pod)).toEqual(ALL);
  expect(saved(pod.inside('iptables-save'))).toBe(fixture(`${name}.v4.save`));
  expect(saved(pod.inside('ip6tables-save'))).toBe(fixture(`${name}.v6.save`));
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

test('rules of others stay, in their order, through apply, repair and remove', async () => {
  await using pod = await openThrowAway();
  pod.inside('iptables-restore', fixture('docker-and-kube-proxy.save'));
  pod.inside('ip rule add pref 100 fwmark 0x7 lookup 200; ip route add local 10.99.0.0/16 dev lo table 100');
  const before = pod.state();
  await applyRules(rules, pod);
  const ours = /^:ISTIO|ISTIO_|32764|default dev lo table 100/;
  const foreign = (text: string) => text.split('\n').filter((line) => !ours.test(line));
  expect(foreign(pod.state())).toEqual(expect.arrayContaining(foreign(before)));
  pod.inside('iptables -t nat -F ISTIO_OUTPUT');
  expect(await applyRules(rules, pod)).toMatchObject({ v4: 'repaired', v6: 'unchanged' });
  await removeRules(rules, pod);
  expect(saved(pod.inside('iptables-save'))).toBe(saved(fixture('docker-and-kube-proxy.save')));
  expect(pod.state().match(/ISTIO|32764/g)).toBeNull();
  expect(pod.inside('ip rule')).toContain('lookup 200');
  expect(pod.inside('ip route show table 100')).toContain('10.99.0.0/16');
});

test('when IPv6 fails, nothing is left behind, and the error names the rule', async () => {
  await using pod = await openThrowAway();
  await expect(applyRules(breakIpv6(rules), pod)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    line: expect.any(Number),
    message: expect.stringContaining('DNAT'),
  });
  expect(pod.state().match(/ISTIO|^-A|32764|table 100/gm)).toBeNull();
});

test('when a repair fails, what was there before is there again', async () => {
  await using pod = await openThrowAway();
  pod.inside('iptables -t nat -A OUTPUT -p sctp -j RETURN');
  await applyRules(rules, pod);
  pod.inside('iptables -t nat -A OUTPUT -p udp -j RETURN; iptables -t nat -D ISTIO_OUTPUT 1; ip rule del pref 32764');
  const before = pod.state();
  await expect(applyRules(breakIpv6(rules), pod)).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' });
  expect(pod.state()).toBe(before);
});

test('when routing fails for IPv6, nothing is left behind', async () => {
  await using pod = await openThrowAway();
  const before = pod.state();
  const tools = await findTools();
  using ip = script(
    `commands=$(cat); case "$*$commands" in
      "-6 -batch"*"rule add"*) printf 'RTNETLINK answers: No buffer space\\nCommand failed -:2\\n' >&2; exit 1;;
    esac; echo "$commands" | ${tools.ip} "$@"`,
  );
  await expect(applyRules(rules, { ...pod, tools: { ...tools, ip: ip.path } })).rejects.toMatchObject({
    code: 'IPTABLES_ROUTING_FAILED',
    message: expect.stringMatching(/^ip -6 rule add .*No buffer space/),
  });
  expect(pod.state()).toBe(before);
});

test('an abort during the restore undoes what was done', async () => {
  await using pod = await openThrowAway();
  using slow = slowRestore(await findTools());
  const controller = new AbortController();
  const applied = applyRules(rules, { ...pod, tools: slow.tools, signal: controller.signal });
  const outcome = applied.catch((error: unknown) => error);
  await expect.poll(() => pod.inside('iptables-save'), { timeout: 10_000 }).toContain('15001');
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await outcome).toBe(reason);
  expect(pod.state().match(/ISTIO|^-A|32764|table 100/gm)).toBeNull();
});

/** The first restore does its work and then hangs until it is killed; later ones are as usual. */
function slowRestore(tools: Tools) {
  if (tools.v4 === undefined) throw new Error('expected iptables');
  const hang = script(
    `${tools.v4.restore} "$@" || exit 1; test -e "$0.ran" && exit 0; touch "$0.ran"; exec tail -f /dev/null`,
  );
  return { ...hang, tools: { ...tools, v4: { ...tools.v4, restore: hang.path } } };
}

/** A program for the length of a test. */
function script(body: string) {
  const directory = mkdtempSync(join(tmpdir(), 'iptables-script-'));
  const path = join(directory, 'program');
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { path, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

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
  const options = { namespace: pod.namespace, tools: await findTools({ backend: 'legacy' }) };
  expect(options.tools.v4?.backend).toBe('legacy');
  expect(await applyRules(rules, options)).toEqual(ALL);
  expect(await applyRules(rules, options)).toEqual({ v4: 'unchanged', v6: 'unchanged' });
  expect(await verifyRules(rules, options)).toMatchObject({ intact: true });
  await expect(applyRules(breakIpv6(rules), options)).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' });
  expect(await verifyRules(rules, options)).toMatchObject({ intact: true });
  await removeRules(rules, options);
  expect(pod.inside('iptables-legacy-save; ip6tables-legacy-save').match(/ISTIO|^-A/gm)).toBeNull();
});

test('a process without rights is told so', async () => {
  await using pod = await openThrowAway();
  const program = `
    import { applyRules, buildAmbientPodRules } from '@ambientmesh/iptables';
    const namespace = '/proc/self/ns/net';
    try { await applyRules(buildAmbientPodRules({ capture: 'tproxy' }), { namespace }); }
    catch (error) { console.log(error.code); }`;
  const argv = ['--reuid=65534', '--clear-groups', process.execPath, '--conditions=@ambientmesh/source'];
  const said = execFileSync(SYSTEM.setpriv, [...argv, '--input-type=module', '-e', program], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  expect(said.trim()).toBe('IPTABLES_PERMISSION');
  expect(pod.state()).not.toContain('ISTIO');
});

test('works as root of a user namespace', async () => {
  const program = `
    import { applyRules, buildAmbientPodRules, findTools, removeRules, verifyRules } from '@ambientmesh/iptables';
    const rules = buildAmbientPodRules({ capture: 'tproxy' });
    const namespace = '/proc/self/ns/net';
    for (const backend of ['nft', 'legacy']) {
      const options = { namespace, tools: await findTools({ backend }) };
      console.log(JSON.stringify(await applyRules(rules, options)));
      console.log((await verifyRules(rules, options)).intact);
      await removeRules(rules, options);
    }`;
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', program];
  const said = execFileSync(SYSTEM.unshare, ['-Urn', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...node], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  expect(said.trim().split('\n')).toEqual([JSON.stringify(ALL), 'true', JSON.stringify(ALL), 'true']);
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
