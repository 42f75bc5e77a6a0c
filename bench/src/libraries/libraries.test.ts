import { isEmptyPlan, parseSave, plan } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { parseOptions } from '../options.ts';
import { describeMachine } from '../report/machine.ts';
import { isWithinBudget, type LibraryLine } from './figures.ts';
import { buildKubeProxySave, RULES_A_SERVICE } from './kube-proxy-save.ts';
import { renderLibraryLines } from './render-lines.ts';

/** Budgets are measured by `npm run bench -- --libraries`; here only what is slower by orders of magnitude fails. */
const GUARD_FACTOR = 20;
const PLANNING_BUDGET_MS = 150;
const SERVICES = 20_000 / RULES_A_SERVICE;

test('a save like kube-proxy’s has the rules it says, differs where it says, and is planned in sane time', () => {
  const text = buildKubeProxySave({ services: SERVICES });
  expect(buildKubeProxySave({ services: SERVICES })).toBe(text);
  expect(text.match(/^-A /gm)).toHaveLength(20_008);
  const chains = [...text.matchAll(/^:(\S+)/gm)].map(([, name]) => name);
  expect(new Set(chains).size).toBe(chains.length);
  const wanted = parseSave(buildKubeProxySave({ services: SERVICES, movedEvery: 100 }), 'ipv4');
  const start = performance.now();
  const difference = plan(parseSave(text, 'ipv4'), wanted);
  expect(performance.now() - start).toBeLessThan(GUARD_FACTOR * PLANNING_BUDGET_MS);
  expect(isEmptyPlan(difference)).toBe(false);
  expect(isEmptyPlan(plan(wanted, wanted))).toBe(true);
});

const line = (changes: Partial<LibraryLine>): LibraryLine => ({
  key: 'k',
  label: 'something',
  unit: 'ms',
  baselineLabel: 'nothing',
  value: { median: 3, min: 2, max: 12 },
  baseline: { median: 1.5, min: 1, max: 2 },
  ok: true,
  ...changes,
});

test('each number is shown with baseline, budget and verdict', () => {
  const text = renderLibraryLines(
    [line({ budget: 5 }), line({ budget: 2, ok: false }), line({ unit: '' })],
    describeMachine(),
  );
  expect(
    text
      .split('\n')
      .slice(3, 6)
      .map((each) => each.split(/ {2,}/)),
  ).toEqual([
    ['something, ms', '3.0', '2.0-12', '1.5', '1.0-2.0', '2.0', '5', 'ok', 'baseline: nothing'],
    ['something, ms', '3.0', '2.0-12', '1.5', '1.0-2.0', '2.0', '2', 'OVER', 'baseline: nothing'],
    ['something', '3.0', '2.0-12', '1.5', '1.0-2.0', '2.0', '-', 'baseline: nothing'],
  ]);
});

test.each([
  { bound: 'most', budget: 3, ok: true },
  { bound: 'most', budget: 2.9, ok: false },
  { bound: 'least', budget: 3, ok: true },
  { bound: 'least', budget: 3.1, ok: false },
  { bound: 'most ratio', budget: 2, ok: true },
  { bound: 'most ratio', budget: 1.9, ok: false },
  { bound: 'least ratio', budget: 2, ok: true },
  { bound: 'least ratio', budget: 2.1, ok: false },
] as const)('3 beside 1.5 is within a budget of $bound $budget: $ok', ({ bound, budget, ok }) => {
  expect(isWithinBudget(line({ bound, budget }), 3, 1.5)).toBe(ok);
});

test.each([
  { args: [], samples: undefined },
  { args: ['--libraries'], samples: 9 },
  { args: ['--libraries', '--quick'], samples: 3 },
  { args: ['--libraries', '--rounds', '5'], samples: 5 },
])('options $args: $samples samples', ({ args, samples }) => {
  expect(parseOptions(args, '/')?.librarySamples).toBe(samples);
});
