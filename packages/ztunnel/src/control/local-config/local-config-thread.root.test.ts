/** Here because a thread that loads all of our sources takes its time, not because it needs root. */
import { expect, test } from 'vitest';
import { parseLocalConfig } from './local-config.ts';
import { LocalConfigReader } from './local-config-reader.ts';

/** Entries of a list, each after its number. */
function list(entry: (number: number) => string): string {
  return Array.from({ length: 80 }, (_, number) => `- {namespace: d, ${entry(number)}}\n`).join('');
}

test('what a large text says comes in parts, and is what it says', async () => {
  const thread = new URL('local-config-thread.ts', import.meta.url).href;
  const code = `import { runLocalConfigThread } from '${thread}'; runLocalConfigThread();`;
  const program = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const text = `# ${'x'.repeat(300_000)}
policies:
${list((number) => `name: p${number % 79}, scope: Global, action: Deny, dryRun: false, rules: []`)}
workloads:
${list((number) => `uid: w${number}, name: w${number}, workloadIps: [10.0.0.1], services: {d/h: {80: 8080}}`)}
services:
- {name: s, namespace: d, hostname: h, vips: [], ports: {80: 80}}
`;
  const config = await new LocalConfigReader(program).read(text, undefined);
  expect(config).toEqual(parseLocalConfig(text));
  expect(config.repeated).toHaveLength(1);
});
