import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const conditions = ['@ambientmesh/source', 'node', 'import', 'default'];
const ssr = { resolve: { conditions, externalConditions: conditions } };
/** In a file of tests: it makes the engine under test, or a rig that does. */
const TEST_ENGINE = /create(TestEngine|FakeClockEngine|TestPod)\b|\b(PoolRig|Arena)\b/;
/** One Vitest project per workspace folder, named by its path (`packages/iptables`); no config file per package. */
const projects = globSync('{packages/*,apps/*,bench}/package.json', { cwd: root })
  .map((file) => dirname(file))
  .map((name) => ({
    extends: true as const,
    test: { name, root: name, include: ['src/**/*.test.ts'], exclude: ['src/**/*.root.test.ts'] },
  }));

/** Vitest projects beside them: what makes an engine for its tests runs a second time, on the reactor. */
const onReactor = ['packages/hbone', 'packages/ztunnel'].map((name) => ({
  extends: true as const,
  test: {
    name: `${name} on the reactor`,
    root: name,
    include: globSync('src/**/*.test.ts', { cwd: join(root, name), exclude: ['**/*.root.test.ts'] }).filter((file) =>
      TEST_ENGINE.test(readFileSync(join(root, name, file), 'utf8')),
    ),
    setupFiles: [join(root, 'packages/reactor/src/testing/set-up.ts')],
  },
}));

/** Many tests wait for processes and sockets: Vitest's one less than there are cores leaves a small machine idle. */
const maxWorkers = Math.max(3, availableParallelism() - 1);

export default defineConfig({
  root,
  ssr,
  // Vitest's five seconds are few on a machine that is slow and busy: a test of one second here can take them there.
  test: {
    projects: [...projects, ...onReactor],
    passWithNoTests: true,
    pool: 'forks',
    maxWorkers,
    isolate: false,
    testTimeout: 30_000,
  },
});
