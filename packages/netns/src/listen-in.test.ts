import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'listen-in-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a worker of node:cluster is refused: its primary would open another file under the same number', () => {
  const script = join(folder, 'cluster.mjs');
  writeFileSync(
    script,
    `import cluster from 'node:cluster';
     import { createServer } from 'node:net';
     import { listenIn, Namespace } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
     if (cluster.isPrimary) cluster.fork();
     else {
       const refused = await listenIn(Namespace.current(), createServer(), { ip: '::', port: 0 }).catch((error) => error);
       console.log(refused.code);
       process.disconnect();
     }`,
  );
  expect(execFileSync(process.execPath, [script], { encoding: 'utf8', timeout: 20_000 })).toBe('NETNS_UNSUPPORTED\n');
});
