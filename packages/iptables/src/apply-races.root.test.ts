import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  applyRules,
  buildAmbientPodRules,
  findTools,
  removeRules,
  verifyRules,
  type WorkOptions,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { breakIpv6 } from './testing/break-ipv6.ts';
import { openScript } from './testing/script.ts';
import { openThrowAway } from './testing/throw-away-namespace.ts';

const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
const VARIANTS = ['nft', 'legacy'] as const;
const OURS = /ISTIO|32764|table 100/;

test('calls for one namespace, by path and by descriptor, wait for each other', async () => {
  await using pod = await openThrowAway();
  const fd = openSync(pod.namespace, 'r');
  try {
    const places: readonly WorkOptions[] = [
      pod,
      { namespace: { fd } },
      { namespace: `/proc/${pod.pid}/task/${pod.pid}/ns/net` },
    ];
    const outcomes = await Promise.all(places.map((place) => applyRules(rules, place)));
    expect(outcomes.map(({ v4 }) => v4).toSorted()).toEqual(['applied', 'unchanged', 'unchanged']);
    expect(await verifyRules(rules, pod)).toMatchObject({ intact: true });
  } finally {
    closeSync(fd);
  }
});

test('applying and removing at once: all is there, or nothing', async () => {
  await using pod = await openThrowAway();
  const tools = await findTools();
  await Promise.all([applyRules(rules, { ...pod, tools }), removeRules(rules, { ...pod, tools })]);
  const { intact } = await verifyRules(rules, { ...pod, tools });
  expect(intact || !OURS.test(pod.state())).toBe(true);
});

test('an abort while another call works does nothing at all', async () => {
  await using pod = await openThrowAway();
  const controller = new AbortController();
  const first = applyRules(rules, pod);
  const second = removeRules(rules, { ...pod, signal: controller.signal });
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(second).rejects.toBe(reason);
  expect(await first).toEqual({ v4: 'applied', v6: 'applied' });
  expect(await verifyRules(rules, pod)).toMatchObject({ intact: true });
});

/** Another process, which does as told by lines: `apply` prints how that ended. */
const PROGRAM = `
  import { createInterface } from 'node:readline';
  import { applyRules, buildAmbientPodRules, findTools } from '@ambientmesh/iptables';
  const [namespace, variant] = process.argv.slice(1);
  const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
  const tools = await findTools({ variant });
  console.log('ready');
  for await (const _ of createInterface({ input: process.stdin })) {
    const result = await applyRules(rules, { namespace, tools }).catch(({ code, message }) => ({ code, message }));
    console.log(JSON.stringify(result));
  }`;

function openProcess(...args: readonly string[]) {
  const child = spawn(
    process.execPath,
    ['--conditions=@ambientmesh/source', '--input-type=module', '-e', PROGRAM, ...args],
    { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ready: async () => lines.next(),
    apply: async (): Promise<unknown> => {
      child.stdin.write('apply\n');
      return JSON.parse((await lines.next()).value ?? 'null');
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await once(child, 'close');
    },
  };
}

/** Each one is another meeting of the two. */
const ROUNDS = 3;

test.each(VARIANTS)('%s: two processes apply the same at once: it is there once', async (variant) => {
  await using pod = await openThrowAway();
  await using one = openProcess(pod.namespace, variant);
  await using other = openProcess(pod.namespace, variant);
  await Promise.all([one.ready(), other.ready()]);
  const work = { ...pod, tools: await findTools({ variant }) };
  for (let round = 0; round < ROUNDS; round++) {
    const results = await Promise.all([one.apply(), other.apply()]);
    for (const result of results)
      expect(result).toMatchObject({ v4: expect.stringMatching(/^(applied|repaired|unchanged)$/) });
    expect(await verifyRules(rules, work)).toMatchObject({ v4: { differences: [] }, v6: { differences: [] } });
    await removeRules(rules, work);
  }
});

/** Another process gets in between the reading and the first writing of the tools that are given back. */
async function openOvertaken(variant: 'nft' | 'legacy', program: string) {
  const tools = await findTools({ variant });
  const { v4 } = tools;
  if (v4 === undefined) throw new Error('expected iptables');
  const imports = "import { applyRules, buildAmbientPodRules, findTools, removeRules } from '@ambientmesh/iptables';";
  const code = `${imports} const tools = await findTools({ variant: '${variant}' }); ${program}`;
  const node = `${process.execPath} --conditions=@ambientmesh/source --input-type=module -e "${code}"`;
  const { path, ...rest } = openScript(
    `test -e "$0.ran" || { touch "$0.ran"; cd ${import.meta.dirname}; ${node} </dev/null >&2 || exit 1; }
    exec ${v4.restore} "$@"`,
  );
  return { ...rest, tools: { ...tools, v4: { ...v4, restore: path } } };
}

const WINNER = "await applyRules(buildAmbientPodRules({ capture: 'redirect', dns: true }), { tools });";

test.each(VARIANTS)('%s: who is overtaken finds all done', async (variant) => {
  await using pod = await openThrowAway();
  using overtaken = await openOvertaken(variant, WINNER);
  const work = { ...pod, tools: overtaken.tools };
  // The routing it has found missing is what it repairs.
  expect(await applyRules(rules, work)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(await verifyRules(rules, work)).toMatchObject({ intact: true });
});

test.each(VARIANTS)('%s: who is overtaken and fails takes nothing away', async (variant) => {
  await using pod = await openThrowAway();
  using overtaken = await openOvertaken(variant, WINNER);
  const work = { ...pod, tools: overtaken.tools };
  await expect(applyRules(breakIpv6(rules), work)).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' });
  expect(await verifyRules(rules, work)).toMatchObject({ intact: true });
});

test.each(VARIANTS)('%s: rules of another release that came first: refused on demand', async (variant) => {
  await using pod = await openThrowAway();
  using overtaken = await openOvertaken(variant, WINNER.replace('redirect', 'tproxy'));
  const work = { ...pod, tools: overtaken.tools };
  await expect(applyRules(rules, { ...work, reconcile: false })).rejects.toMatchObject({ code: 'IPTABLES_CONFLICT' });
  const winner = buildAmbientPodRules({ capture: 'tproxy', dns: true });
  expect(await verifyRules(winner, work)).toMatchObject({ intact: true });
  expect(await applyRules(rules, work)).toEqual({ v4: 'repaired', v6: 'repaired' });
});

test('removing goes on where another process has removed a part', async () => {
  await using pod = await openThrowAway();
  await applyRules(rules, pod);
  const remove = "await removeRules(buildAmbientPodRules({ capture: 'redirect' }), { tools });";
  using overtaken = await openOvertaken('nft', remove);
  await removeRules(rules, { ...pod, tools: overtaken.tools });
  expect(pod.state()).not.toMatch(OURS);
});

test('what another process changed before a failure is undone stays, and the error says so', async () => {
  await using pod = await openThrowAway();
  const tools = await findTools();
  const { v6 } = tools;
  if (v6 === undefined) throw new Error('expected ip6tables');
  using meddling = openScript(`iptables -t nat -A ISTIO_OUTPUT -j RETURN; exec ${v6.restore} "$@"`);
  const work = { ...pod, tools: { ...tools, v6: { ...v6, restore: meddling.path } } };
  await expect(applyRules(breakIpv6(rules), work)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    message: expect.stringMatching(/DNAT.*; not undone in .* has changed nat of ipv4 meanwhile/),
  });
  const { differences } = (await verifyRules(rules, pod)).v4;
  expect(new Set(differences)).toEqual(new Set(['nat: extra -A ISTIO_OUTPUT -j RETURN']));
});

test('nftables: who is overtaken writes the same again, once', async () => {
  await using pod = await openThrowAway();
  using overtaken = await openOvertakenNft();
  const work = { ...pod, tools: overtaken.tools, backend: 'nftables' } as const;
  expect(await applyRules(rules, work)).toEqual({ v4: 'applied', v6: 'applied' });
  expect(await verifyRules(rules, work)).toMatchObject({ intact: true });
});

test('nftables: who is overtaken and fails takes nothing away', async () => {
  await using pod = await openThrowAway();
  using overtaken = await openOvertakenNft('echo "/dev/stdin:1:1-2: Error: no" >&2; exit 1');
  const work = { ...pod, tools: overtaken.tools, backend: 'nftables' } as const;
  await expect(applyRules(rules, work)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    message: expect.stringContaining('meanwhile: all is left as it is now'),
  });
  const { nft: _wrapped, ...others } = overtaken.tools;
  const { nft = '' } = await findTools();
  expect(await verifyRules(rules, { ...work, tools: { ...others, nft } })).toMatchObject({ intact: true });
});

/** The first script is loaded to compare with; the second one is the change. */
async function openOvertakenNft(then = '') {
  const tools = await findTools();
  const apply = "await applyRules(buildAmbientPodRules({ capture: 'redirect', dns: true }), { backend: 'nftables' });";
  const code = `import { applyRules, buildAmbientPodRules } from '@ambientmesh/iptables'; ${apply}`;
  const node = `${process.execPath} --conditions=@ambientmesh/source --input-type=module -e "${code}"`;
  const { path, ...rest } = openScript(
    `case "$*" in "-f -")
      if test -e "$0.one" && ! test -e "$0.two"; then
        touch "$0.two"; (cd ${import.meta.dirname}; ${node} </dev/null >&2) || exit 1; ${then}
      fi; touch "$0.one";;
    esac; exec ${tools.nft} "$@"`,
  );
  return { ...rest, tools: { ...tools, nft: path } };
}
