import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const conditions = ['@ambientmesh/source', 'node', 'import', 'default'];
const ssr = { resolve: { conditions, externalConditions: conditions } };
/** Tests that need root (namespaces, firewall rules): the same projects, other files. They mostly wait for processes. */
const projects = globSync('{packages,apps}/*/package.json', { cwd: root })
  .map((file) => dirname(file))
  .map((name) => ({ extends: true as const, test: { name, root: name, include: ['src/**/*.root.test.ts'] } }));
/** What makes an engine for its tests runs a second time, on the reactor, as in vitest.config.ts. */
const onReactor = {
  extends: true as const,
  test: {
    name: 'packages/ztunnel on the reactor',
    root: 'packages/ztunnel',
    include: ['src/data-plane/{data-plane,dial}.root.test.ts'],
    setupFiles: [join(root, 'packages/reactor/src/testing/set-up.ts')],
  },
};

export default defineConfig({
  root,
  ssr,
  test: {
    projects: [...projects, onReactor],
    passWithNoTests: true,
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 120_000,
  },
});
