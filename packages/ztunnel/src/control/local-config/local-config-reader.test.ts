import { expect, test } from 'vitest';
import { parseLocalConfig } from './local-config.ts';
import { LocalConfigReader } from './local-config-reader.ts';

const large = `# ${'x'.repeat(300_000)}\npolicies: []\n`;

function program(code: string): URL {
  return new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';${code}`)}`,
  );
}

const echo = program(
  "parentPort.postMessage({ entries: [{ type: 'policy', policy: [workerData.before, workerData.text.length] }], repeated: [] })",
);

test('a large text is read apart, with what it replaces', async () => {
  const { policies } = await new LocalConfigReader(echo).read(large, { policies: 7 });
  expect(policies).toEqual([[{ policies: 7 }, large.length]]);
});

test('a small one is read here, and a large one too if there is no program', async () => {
  expect(await new LocalConfigReader(echo).read('policies: []\n', undefined)).toEqual(parseLocalConfig(''));
  expect(await new LocalConfigReader(undefined).read(large, undefined)).toEqual(parseLocalConfig(''));
  await expect(new LocalConfigReader(echo).read('', { policies: 0 })).rejects.toThrow('says nothing');
});

test.each([
  { code: "parentPort.postMessage({ refusal: 'policies[0]: bad' })", message: 'policies[0]: bad' },
  { code: 'process.exit(3)', message: 'could not be read: its thread ended with code 3' },
  { code: "throw new Error('out of memory')", message: 'out of memory' },
])('$message', async ({ code, message }) => {
  await expect(new LocalConfigReader(program(code)).read(large, undefined)).rejects.toThrow(message);
});

test('closed: what is being read is given up', async () => {
  const reader = new LocalConfigReader(program('setInterval(() => undefined, 1000)'));
  const reading = reader.read(large, undefined);
  reader.close();
  await expect(reading).rejects.toMatchObject({ code: 'ZTUNNEL_LOCAL_CONFIG_INVALID' });
  reader.close();
});
