import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { IMPOSSIBLE, POSSIBLE } from '../testing/impossible-rules.ts';

/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare' } as const;

const refuses = (tool: string, text: string) =>
  spawnSync(SYSTEM.unshare, ['-n', `${tool}-restore`, '--noflush'], { input: text, stdio: 'pipe' }).status !== 0;

test.each(IMPOSSIBLE.filter(({ taken }) => taken === undefined))(
  '$family $table $lines: the tools refuse it too',
  ({ family = 'ipv4', table, lines }) => {
    const text = [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
    const tool = family === 'ipv4' ? 'iptables' : 'ip6tables';
    expect({ nft: refuses(`${tool}-nft`, text) || refuses(`${tool}-legacy`, text) }).toEqual({ nft: true });
  },
);

test.each(POSSIBLE)('$family $table $lines: both variants take it', ({ family = 'ipv4', table, lines }) => {
  const text = [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
  const tool = family === 'ipv4' ? 'iptables' : 'ip6tables';
  expect(['nft', 'legacy'].filter((variant) => refuses(`${tool}-${variant}`, text))).toEqual([]);
});
