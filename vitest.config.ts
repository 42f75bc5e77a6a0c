import { globSync } from 'node:fs';
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

export default defineConfig({ root, ssr, test: { projects, passWithNoTests: true, pool: 'forks', isolate: false } });
