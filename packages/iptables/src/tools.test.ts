import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  applyRules,
  buildAmbientPodRules,
  detectBackend,
  findTools,
  IptablesError,
  removeRules,
  type Tools,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

/** Programs that need no root: each one only prints its version. */
function fakePrograms(names: Readonly<Record<string, string>>) {
  const directory = mkdtempSync(join(tmpdir(), 'iptables-tools-'));
  for (const [name, version] of Object.entries(names))
    writeFileSync(join(directory, name), `#!/bin/sh\necho "${name} ${version}"\n`, { mode: 0o755 });
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}
const COMMON = { ip: '', nsenter: '', sh: '' };

test.each([
  { has: {}, message: 'iptables-restore not found: install iptables (for example: apt-get install iptables)' },
])('what is missing is said: $message', async ({ has, message }) => {
  using programs = fakePrograms(has);
  const error: unknown = await findTools({ searchPath: [programs.directory] }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(IptablesError);
  expect(error).toMatchObject({ code: 'IPTABLES_TOOL_MISSING', message });
});

test.each([
  { version: 'v1.8.9 (nf_tables)', variant: 'nft', waitArguments: [] },
  { version: 'v1.8.9 (legacy)', variant: 'legacy', waitArguments: ['--wait=30'] },
  { version: 'v1.6.2', variant: 'legacy', waitArguments: ['--wait=30'] },
  { version: 'v1.6.1', variant: 'legacy', waitArguments: [] },
  { version: 'v2.0.0', variant: 'legacy', waitArguments: ['--wait=30'] },
  { version: 'of old', variant: 'legacy', waitArguments: [] },
])('$version is $variant', async ({ version, variant, waitArguments }) => {
  using programs = fakePrograms({ ...COMMON, 'iptables-save': version, 'iptables-restore': version });
  const tools = await findTools({ searchPath: [programs.directory] });
  expect(tools.v4).toMatchObject({ variant, waitArguments });
  expect(tools.v6).toBeUndefined();
});

const TOOLS: Tools = {
  nsenter: '/nonexistent/nsenter',
  ip: 'ip',
  shell: 'sh',
  v4: { save: 's', restore: 'r', variant: 'nft', waitArguments: [] },
  env: {},
};
const OTHER = '{ "backend": "nft", "namespace": "/nonexistent" }';
const rules = buildAmbientPodRules({ capture: 'tproxy' });

test.each([
  { namespace: '/nonexistent/ns/net', code: 'IPTABLES_NAMESPACE_GONE' },
  { namespace: '/', code: 'IPTABLES_NAMESPACE_GONE' },
  { namespace: { fd: 99_999 }, code: 'IPTABLES_NAMESPACE_GONE' },
  { namespace: '/proc/self/ns/net', code: 'IPTABLES_TOOL_MISSING' },
])('applying to $namespace is $code', async ({ namespace, code }) => {
  await expect(applyRules(rules, { namespace, tools: TOOLS })).rejects.toMatchObject({ code });
});

test('an aborted signal stops before anything is run', async () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await expect(applyRules(rules, { namespace: '/proc/self/ns/net', tools: TOOLS, signal })).rejects.toBe(reason);
});

test.each([
  { what: 'an unknown variant', call: () => findTools(JSON.parse('{ "variant": "foo" }')), says: 'option variant' },
  { what: 'another option', call: () => findTools(JSON.parse('{ "backend": "nft" }')), says: 'searchPath or variant' },
  { what: 'no time', call: () => findTools({ lockWaitSeconds: 0 }), says: 'whole seconds from 1 to 40' },
  { what: 'half a second', call: () => findTools({ lockWaitSeconds: 0.5 }), says: 'whole seconds from 1 to 40' },
  { what: 'too long', call: () => detectBackend({ lockWaitSeconds: 41 }), says: 'whole seconds from 1 to 40' },
  { what: 'a forced unknown', call: () => detectBackend(JSON.parse('{ "force": "iptables" }')), says: 'option force' },
  {
    what: 'a variant for a backend',
    call: () => applyRules(rules, JSON.parse(OTHER)),
    says: 'option backend is "nft"',
  },
  { what: 'the same of verify', call: () => verifyRules(rules, JSON.parse(OTHER)), says: 'option backend is "nft"' },
  { what: 'the same of remove', call: () => removeRules(rules, JSON.parse(OTHER)), says: 'option backend is "nft"' },
  { what: 'text for a switch', call: () => applyRules(rules, JSON.parse('{ "reconcile": "no" }')), says: 'reconcile' },
])('$what is refused, not taken for something else', async ({ call, says }) => {
  await expect(call()).rejects.toMatchObject({ code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) });
});
