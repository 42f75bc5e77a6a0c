import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { applyRules, buildAmbientPodRules, detectBackend, verifyRules } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openPrograms } from './testing/script.ts';
import { openThrowAway, type ThrowAwayNamespace, withoutCounters } from './testing/throw-away-namespace.ts';

const RULE = (variant: string) =>
  `iptables-${variant} -t nat -A OUTPUT -j RETURN; ip6tables-${variant} -t nat -A OUTPUT -j RETURN`;

/** Everything that looking could have made. The names of legacy tables come first: a save of one would make it. */
function traces(place: ThrowAwayNamespace): string {
  return withoutCounters(
    place.inside(
      'cat /proc/self/net/ip_tables_names /proc/self/net/ip6_tables_names; nft list ruleset; iptables-legacy-save; ip6tables-legacy-save',
    ),
  );
}

test.each([
  { there: 'nothing', prepare: 'true', variant: 'nft', existingRules: false },
  { there: 'nft rules', prepare: RULE('nft'), variant: 'nft', existingRules: true },
  { there: 'legacy rules', prepare: RULE('legacy'), variant: 'legacy', existingRules: true },
  { there: 'both', prepare: `${RULE('nft')}; ${RULE('legacy')}`, variant: 'legacy', existingRules: true },
  {
    there: 'an empty legacy table',
    prepare: 'iptables-legacy -t raw -L; ip6tables-legacy -t raw -L',
    variant: 'legacy',
    existingRules: true,
  },
  {
    there: 'legacy rules, but nft is wanted',
    prepare: RULE('legacy'),
    force: 'nft',
    variant: 'nft',
    existingRules: false,
  },
  { there: 'nothing, but legacy is wanted', prepare: 'true', force: 'legacy', variant: 'legacy', existingRules: false },
] as const)(
  '$there: $variant, twice the same, and nothing is created',
  async ({ prepare, variant, existingRules, ...more }) => {
    await using host = await openThrowAway(`ip link set lo up; (${prepare}) >/dev/null`);
    const options = { ...host, ...more };
    const before = traces(host);
    const first = await detectBackend(options);
    expect(await detectBackend(options)).toEqual(first);
    expect(traces(host)).toBe(before);
    expect(first).toMatchObject({
      v4: { name: `iptables-${variant}`, variant, existingRules },
      v6: { name: `ip6tables-${variant}`, variant, existingRules },
      warnings: [],
      tools: { v4: { variant }, v6: { variant } },
    });
  },
);

test('each family decides for itself', async () => {
  await using host = await openThrowAway();
  host.inside('ip6tables-legacy -t nat -A OUTPUT -j RETURN');
  expect(await detectBackend(host)).toMatchObject({ v4: { variant: 'nft' }, v6: { variant: 'legacy' } });
});

test('what was detected on the host serves pods', async () => {
  await using host = await openThrowAway();
  await using pod = await openThrowAway();
  host.inside(RULE('legacy'));
  const { tools } = await detectBackend(host);
  const rules = buildAmbientPodRules({ capture: 'redirect' });
  expect(await applyRules(rules, { ...pod, tools })).toEqual({ v4: 'applied', v6: 'applied' });
  expect(await verifyRules(rules, { ...pod, tools })).toMatchObject({ intact: true });
  expect(pod.inside('iptables-legacy-save')).toContain('ISTIO_OUTPUT');
  expect(pod.inside('iptables-nft-save 2>/dev/null')).not.toContain('ISTIO');
});

/** Programs that say and do as told, and the real ones that are needed besides. */
function programs(scripts: Readonly<Record<string, string>>) {
  const real = ['nsenter', 'unshare', 'ip', 'sh'].map((name) => [name, `exec ${pathOf(name)} "$@"`]);
  return openPrograms({ ...Object.fromEntries(real), ...scripts });
}

function pathOf(name: string): string {
  return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
}
const SAYS = (version: string, save = '') => `case "$1" in --version) echo '${version}';; *) printf '${save}';; esac`;
const variant = (name: string, version: string, more: { readonly save?: string; readonly tool?: string } = {}) => ({
  [name]: more.tool ?? 'exit 0',
  [`${name}-save`]: SAYS(version, more.save),
  [`${name}-restore`]: 'exit 0',
});
const NFT = 'iptables-save v1.8.9 (nf_tables)';
const REFUSED = `echo "iptables: can't initialize: Table does not exist (do you need to insmod?)" >&2`;

test.each([
  {
    rule: '8.1: a save that fails',
    has: { ...variant('iptables-nft', NFT), 'iptables-nft-save': 'echo no >&2; exit 1' },
    code: 'IPTABLES_BACKEND_UNUSABLE',
    message: 'iptables-nft-save does not work: no',
  },
  {
    rule: '8.2: a version that is none',
    has: variant('iptables-nft', 'a good one'),
    code: 'IPTABLES_BACKEND_UNUSABLE',
    message: 'names no version',
  },
  {
    rule: '8.3: the kernel refuses',
    has: variant('iptables-nft', NFT, { tool: 'echo sorry >&2; exit 3' }),
    code: 'IPTABLES_BACKEND_UNUSABLE',
    message: 'iptables-nft does not work: sorry',
  },
  {
    rule: '8.3: something does not exist, although it says 0',
    has: variant('iptables-nft', NFT, { tool: REFUSED }),
    code: 'IPTABLES_BACKEND_UNUSABLE',
    message: 'does not exist',
  },
  { rule: 'nothing is installed', has: {}, code: 'IPTABLES_TOOL_MISSING', message: 'iptables-legacy is not installed' },
])('$rule', async ({ has, code, message }) => {
  using found = programs(has);
  await expect(detectBackend({ searchPath: [found.directory], ipv6: false })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test.each([
  { version: 'iptables-save v1.4.21', args: '', wait: [] },
  { version: 'iptables-save v1.6.2', args: ' --wait=30', wait: ['--wait=30'] },
  { version: 'iptables-save v1.8.9 (legacy)', args: ' --wait=30', wait: ['--wait=30'] },
  { version: NFT, args: '', wait: [] },
])('$version waits as it can, and plain iptables is the last resort', async ({ version, args, wait }) => {
  using found = programs(variant('iptables', version, { tool: 'echo "$@" > "$0.args"' }));
  const detection = await detectBackend({ searchPath: [found.directory], ipv6: false });
  expect(detection).toMatchObject({ v4: { name: 'iptables' }, tools: { v4: { waitArguments: wait } } });
  expect(detection.v6).toBeUndefined();
  expect(detection.warnings).toEqual([expect.stringContaining('ip6tables-legacy is not installed')]);
  expect(execFileSync('cat', [`${found.directory}/iptables.args`], { encoding: 'utf8' })).toBe(
    `-t nat -A INPUT -p 255 -j RETURN${args}\n`,
  );
});

test('a program that does not know --version is legacy and of no version; two lines are no rules, three are', async () => {
  const old = {
    'iptables-legacy-save': `test "$1" != --version || { echo 'unrecognized option' >&2; exit 2; }; printf '1\\n2\\n3\\n'`,
  };
  using found = programs({
    ...variant('iptables-legacy', ''),
    ...old,
    ...variant('iptables-nft', NFT, { save: '1\\n2\\n' }),
  });
  expect(await detectBackend({ searchPath: [found.directory], ipv6: false })).toMatchObject({
    v4: { name: 'iptables-legacy', version: '0.0.0', existingRules: true },
  });
  const two = { 'iptables-legacy-save': SAYS('iptables v1.8.9 (legacy)', '1\\n2\\n') };
  using fewer = programs({ ...variant('iptables-legacy', ''), ...two, ...variant('iptables-nft', NFT) });
  expect(await detectBackend({ searchPath: [fewer.directory], ipv6: false })).toMatchObject({
    v4: { name: 'iptables-nft', version: '1.8.9', existingRules: false },
  });
});

test('legacy without rules is not tried: loading its modules may leave tables', async () => {
  using found = programs({
    ...variant('iptables-legacy', 'iptables v1.8.9 (legacy)', { tool: 'touch "$0.tried"' }),
    ...variant('iptables-nft', NFT),
  });
  expect(await detectBackend({ searchPath: [found.directory], ipv6: false })).toMatchObject({ v4: { variant: 'nft' } });
  expect(existsSync(`${found.directory}/iptables-legacy.tried`)).toBe(false);
});

test('where only one variant will do, no other is taken', async () => {
  using found = programs(variant('iptables-nft', NFT));
  await expect(detectBackend({ searchPath: [found.directory], force: 'legacy', ipv6: false })).rejects.toMatchObject({
    code: 'IPTABLES_TOOL_MISSING',
    message: expect.stringMatching(/^iptables-legacy is not installed/),
  });
});

test('IPv6 that is needed but not there is an error', async () => {
  using found = programs(variant('iptables-nft', NFT));
  await expect(detectBackend({ searchPath: [found.directory] })).rejects.toMatchObject({
    code: 'IPTABLES_TOOL_MISSING',
  });
});

test('without rights it says so', () => {
  const program = `
    import { detectBackend } from '@ambientmesh/iptables';
    await detectBackend().catch((error) => console.log(error.code));`;
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', program];
  const said = execFileSync('setpriv', ['--reuid=65534', '--clear-groups', ...node], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  expect(said.trim()).toBe('IPTABLES_PERMISSION');
});
