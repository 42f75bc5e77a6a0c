import { defineConfig } from 'vitest/config';

const conditions = ['@ambientmesh/source', 'node', 'import', 'default'];

/** What a user does, in the lab: one file at a time, for each brings up nodes and pods of its own. */
export default defineConfig({
  root: import.meta.dirname,
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['src/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    passWithNoTests: true,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
