import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..');
const examples = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/```ts root\n(.*?)```/gs)].map(
  ([, code = '']) => code,
);

/** As root runs it, in a namespace that nobody misses; the package is the one in this folder. */
function run(code: string): string {
  const node = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module-typescript', '--eval', code];
  return execFileSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...node], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
}

test.each([
  { calls: 'buildAmbientPodRules(', prints: /v4: 'applied', v6: 'applied'[^]*intact: true/ },
  { calls: "policy: 'DROP'", prints: /v4: 'applied', v6: 'applied'[^]*intact: true/ },
  { calls: 'position: 1', prints: /v4: 'applied',[^]*v6Note: 'IPv6 was not asked for/ },
  { calls: 'findLeftovers(', prints: /^0 other ways have/ },
  { calls: 'openProbeSets(', prints: /863b91d4-4b68-4efa-917f-4b560e3e86aa/ },
])('README: the example with $calls… runs as written', ({ calls, prints }) => {
  const example = examples.find((code) => code.includes(calls));
  expect(run(example ?? '')).toMatch(prints);
});

test('README: each example for root is tested here', () => {
  expect(examples).toHaveLength(5);
});
