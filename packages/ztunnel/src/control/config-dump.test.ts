import { expect, test } from 'vitest';
import { parseConfig } from './config/parse-config.ts';
import { renderConfigDump } from './config-dump.ts';
import { emptySnapshot } from './local-config/mesh-snapshot.ts';

const system = { environmentNames: [], cores: 2, readFile: () => undefined };
const config = parseConfig((name) => (name === 'XDS_ADDRESS' ? '' : undefined), system);
const dataThreads = [{ thread: 0, engine: 'reactor', reason: '' }];

function dump(silent: readonly number[]): Record<string, unknown> {
  const connections = { found: new Map(), silent };
  const parts = { config, args: [], certificates: [], mesh: emptySnapshot, workloads: new Map() };
  return JSON.parse(renderConfigDump({ ...parts, connections, engines: dataThreads }));
}

test('a data thread that does not answer is named: its connections are missing', () => {
  expect(dump([0])).toMatchObject({ dataThreads, silentDataThreads: [0] });
  expect(dump([])).not.toHaveProperty('silentDataThreads');
});
