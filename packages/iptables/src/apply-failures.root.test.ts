import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { applyRules, buildAmbientPodRules, findTools, type Tools, verifyRules } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { breakFamily, breakIpv6 } from './testing/break-ipv6.ts';
import { openScript } from './testing/script.ts';
import { openThrowAway } from './testing/throw-away-namespace.ts';

const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
const OURS = /ISTIO|^-A|32764|table 100/gm;

test('when IPv6 fails, nothing is left behind, and the error names the rule', async () => {
  await using pod = await openThrowAway();
  await expect(applyRules(breakIpv6(rules), pod)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    line: expect.any(Number),
    message: expect.stringContaining('DNAT'),
  });
  expect(pod.state().match(OURS)).toBeNull();
});

test('both families are attempted, and both failures told', async () => {
  await using pod = await openThrowAway();
  const bad = { ...breakIpv6(rules), v4: breakFamily(rules.v4, 'ISTIO_OUTPUT') };
  await expect(applyRules(bad, pod)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    message: expect.stringMatching(/iptables-restore.*fd00::1.*; .*ip6tables-restore.*10\.0\.0\.1/),
    cause: expect.any(AggregateError),
  });
  expect(pod.state().match(OURS)).toBeNull();
});

test('what an older release has left is not replaced against the will of the caller', async () => {
  await using pod = await openThrowAway();
  await applyRules(buildAmbientPodRules({ capture: 'tproxy' }), pod);
  const before = pod.state();
  await expect(applyRules(rules, { ...pod, reconcile: false })).rejects.toMatchObject({ code: 'IPTABLES_CONFLICT' });
  expect(pod.state()).toBe(before);
  expect(await applyRules(rules, pod)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(pod.inside('iptables-save')).not.toContain('TPROXY');
  expect(await applyRules(rules, { ...pod, reconcile: false })).toEqual({ v4: 'unchanged', v6: 'unchanged' });
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
  using ip = openScript(
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
  expect(pod.state().match(OURS)).toBeNull();
});

/** The first restore does its work and then hangs until it is killed; later ones are as usual. */
function slowRestore(tools: Tools) {
  if (tools.v4 === undefined) throw new Error('expected iptables');
  const hang = openScript(
    `${tools.v4.restore} "$@" || exit 1; test -e "$0.ran" && exit 0; touch "$0.ran"; exec tail -f /dev/null`,
  );
  return { ...hang, tools: { ...tools, v4: { ...tools.v4, restore: hang.path } } };
}

test.each([
  { namespace: 'its own namespace', path: () => '/proc/self/ns/net' },
  { namespace: 'the namespace of another', path: (pod: string) => pod },
])('a process without rights is told so, in $namespace', async ({ path }) => {
  await using pod = await openThrowAway();
  const program = `
    import { applyRules, buildAmbientPodRules } from '@ambientmesh/iptables';
    const namespace = process.argv[1];
    try { await applyRules(buildAmbientPodRules({ capture: 'tproxy' }), { namespace }); }
    catch (error) { console.log(error.code); }`;
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', program];
  const argv = ['--reuid=65534', '--clear-groups', ...node, path(pod.namespace)];
  const said = execFileSync('setpriv', argv, { encoding: 'utf8', cwd: import.meta.dirname });
  expect(said.trim()).toBe('IPTABLES_PERMISSION');
  expect(pod.state()).not.toContain('ISTIO');
});

test('the lock of legacy programs held by another: told so, and nothing is changed', async () => {
  await using pod = await openThrowAway();
  using lock = openScript('');
  const holder = spawn('flock', [lock.path, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  const found = await findTools({ variant: 'legacy', lockWaitSeconds: 1 });
  // A lock of our own: the one of this machine is others' too.
  const tools = { ...found, env: { ...found.env, XTABLES_LOCKFILE: lock.path } };
  try {
    await expect(applyRules(rules, { ...pod, tools })).rejects.toMatchObject({
      code: 'IPTABLES_LOCKED',
      message: expect.stringContaining('xtables lock'),
    });
  } finally {
    holder.stdin.end();
    await once(holder, 'close');
  }
  expect(pod.inside('iptables-legacy-save; ip6tables-legacy-save; ip rule').match(OURS)).toBeNull();
});

test('a namespace whose processes end between reading and writing is not half done', async () => {
  await using pod = await openThrowAway();
  const kept = openSync(pod.namespace, 'r');
  const tools = await findTools();
  using save = openScript(`${tools.v4?.save}; kill -9 ${pod.pid}`);
  try {
    const v4 = tools.v4 === undefined ? {} : { v4: { ...tools.v4, save: save.path } };
    expect(await applyRules(rules, { ...pod, tools: { ...tools, ...v4 } })).toEqual({ v4: 'applied', v6: 'applied' });
    expect(await verifyRules(rules, { namespace: { fd: kept }, tools })).toMatchObject({ intact: true });
    // Nobody is in there any more: its path is gone, and there is nothing to apply to.
    await expect(applyRules(rules, { ...pod, tools })).rejects.toMatchObject({ code: 'IPTABLES_NAMESPACE_GONE' });
  } finally {
    closeSync(kept);
  }
});

test.each([
  { program: 'ip6tables', without: ['v6'] },
  { program: 'ip', without: ['ip'] },
  { program: 'sh', without: ['shell'] },
  { program: 'nsenter', without: ['nsenter'] },
  { program: 'iptables', without: ['v4'] },
])('without $program nothing is changed', async ({ program, without }) => {
  await using pod = await openThrowAway();
  const before = pod.state();
  const { env, ...found } = await findTools();
  const tools: Tools = { env, ...Object.fromEntries(Object.entries(found).filter(([key]) => !without.includes(key))) };
  await expect(applyRules(rules, { ...pod, tools })).rejects.toMatchObject({
    code: 'IPTABLES_TOOL_MISSING',
    message: expect.stringMatching(`^${program}(-restore)? not found: install `),
  });
  expect(pod.state()).toBe(before);
});

test('nftables: when routing fails after the transaction, the tables are as they were', async () => {
  await using pod = await openThrowAway();
  const options = { ...pod, backend: 'nftables' } as const;
  await applyRules(buildAmbientPodRules({ capture: 'tproxy' }), options);
  pod.inside('ip rule del pref 32764');
  const before = [pod.inside('nft list ruleset'), pod.inside('ip rule')];
  const tools = await findTools();
  using ip = openScript(
    `commands=$(cat); case "$commands" in
      *"rule add"*) printf 'RTNETLINK answers: No buffer space\nCommand failed -:1\n' >&2; exit 1;;
    esac; echo "$commands" | ${tools.ip} "$@"`,
  );
  await expect(applyRules(rules, { ...options, tools: { ...tools, ip: ip.path } })).rejects.toMatchObject({
    code: 'IPTABLES_ROUTING_FAILED',
  });
  expect([pod.inside('nft list ruleset'), pod.inside('ip rule')]).toEqual(before);
});

test('in the namespace of this process, nothing is entered and nsenter is not needed', () => {
  const program = `
    import { applyRules, buildAmbientPodRules, findTools, removeRules, verifyRules } from '@ambientmesh/iptables';
    const rules = buildAmbientPodRules({ capture: 'redirect' });
    const { nsenter, ...tools } = await findTools();
    console.log(JSON.stringify(await applyRules(rules, { tools })), (await verifyRules(rules, { tools })).intact);
    await removeRules(rules, { tools });
    console.log((await verifyRules(rules)).residue);`;
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', program];
  const said = execFileSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...node], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  expect(said).toBe('{"v4":"applied","v6":"applied"} true\nfalse\n');
});
