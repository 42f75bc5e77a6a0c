import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const conditions = ['@ambientmesh/source', 'node', 'import', 'default'];
const ssr = { resolve: { conditions, externalConditions: conditions } };
/** One Vitest project per workspace folder, named by its path (`packages/iptables`); no config file per package. */
const projects = globSync('{packages/*,apps/*,bench}/package.json', { cwd: root })
  .map((file) => dirname(file))
  .map((name) => ({
    extends: true as const,
    test: { name, root: name, include: ['src/**/*.test.ts'], exclude: ['src/**/*.root.test.ts'] },
  }));

/** Many tests wait for processes and sockets: Vitest's one less than there are cores leaves a small machine idle. */
const maxWorkers = Math.max(3, availableParallelism() - 1);

export default defineConfig({
  root,
  ssr,
  // Vitest's five seconds are few on a machine that is slow and busy: a test of one second here can take them there.
  test: { projects, passWithNoTests: true, pool: 'forks', maxWorkers, isolate: false, testTimeout: 30_000 },
});
