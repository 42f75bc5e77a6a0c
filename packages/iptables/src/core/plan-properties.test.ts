import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomSave } from '../testing/random-save.ts';
import { RestoreModel } from '../testing/restore-model.ts';
import { SLOW, startCpuClock } from '../testing/slow-test.ts';
import { findCommonSubsequence } from './common-subsequence.ts';
import { parseSave } from './parse-save.ts';
import { isEmptyPlan, type Plan, plan } from './plan.ts';
import { renderPlan } from './render-plan.ts';
import { renderPlanRestore } from './render-plan-restore.ts';

const parse = (text: string) => parseSave(text, 'ipv4');
const EVERY_TABLE =
  '*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n';
/** Both have all tables, for the model knows no built-in ones. */
const whole = randomSave().map((text) => (text.includes('*mangle') ? text : `${EVERY_TABLE}${text}`));

test('carrying out a plan gives what was wanted', SLOW, () => {
  fc.assert(
    fc.property(whole, whole, (have, want) => {
      const model = new RestoreModel(have);
      model.restore(renderPlanRestore(plan(parse(have), parse(want))));
      expect(model.list()).toBe(new RestoreModel(want).list());
    }),
    { numRuns: 200 },
  );
});

/** Less the lines that say so. */
const without = (text: string, pattern: RegExp) => {
  const lines = text.split('\n').filter((line) => !pattern.test(line));
  return lines.join('\n');
};

const only = (text: string, pattern: RegExp) => text.split('\n').filter((line) => pattern.test(line));

test('with an owner, what is ours becomes as wanted and the rest stays as it is', SLOW, () => {
  const ownership = { chains: { filter: ['C1', 'C2'], mangle: ['C1', 'C2'] } } as const;
  const ours = / :C[12] | -A C[12] |-j C[12]$/;
  fc.assert(
    fc.property(whole, whole, (have, anything) => {
      const want = coveredPart(anything, /^-A C[12] (?!.*-j C3$)|^-A [^C].* -j C[12]$|^:C[12] /);
      const model = new RestoreModel(have);
      model.restore(renderPlanRestore(plan(parse(have), parse(want), { ownership })));
      const listed = model.list();
      expect(without(listed, ours)).toBe(without(new RestoreModel(have).list(), ours));
      for (const part of [/ :C[12] | -A C[12] /, / -A [^C].*-j C[12]$/])
        expect(only(listed, part)).toEqual(only(new RestoreModel(want).list(), part));
    }),
    { numRuns: 200 },
  );
});

/** What an owner may want of a save: the lines that say so, and the frames of tables; others' policies are ACCEPT. */
const coveredPart = (text: string, pattern: RegExp) => {
  const lines = text.split('\n').filter((line) => !/^-A|^:C/.test(line) || pattern.test(line));
  return lines.map((line) => (pattern.test(line) ? line : line.replace(/^(:\S+) DROP/, '$1 ACCEPT'))).join('\n');
};

const OWNED = ['INPUT', 'OUTPUT', 'C1', 'C2'] as const;

test('with an owner of built-in chains, all of these become as wanted, with their policies', SLOW, () => {
  const ownership = { chains: { filter: OWNED, mangle: OWNED } } as const;
  const ours = / :(INPUT|OUTPUT|C[12]) | -A (INPUT|OUTPUT|C[12]) |-j C[12]$/;
  fc.assert(
    fc.property(whole, whole, (have, anything) => {
      const covered = /^-A (INPUT|OUTPUT|C[12]) (?!.*-j C[03]$)|^-A [FP].* -j C[12]$|^:(INPUT|OUTPUT|C[12]) /;
      const want = coveredPart(anything, covered);
      const model = new RestoreModel(have);
      const payload = renderPlanRestore(plan(parse(have), parse(want), { ownership }));
      expect(payload).not.toMatch(/^-[NX] [IO]/m);
      model.restore(payload);
      const listed = model.list();
      expect(without(listed, ours)).toBe(without(new RestoreModel(have).list(), ours));
      const whatIsOwned = / :(INPUT|OUTPUT|C[12]) | -A (INPUT|OUTPUT|C[12]) /;
      expect(only(listed, whatIsOwned)).toEqual(only(new RestoreModel(want).list(), whatIsOwned));
    }),
    { numRuns: 200 },
  );
});

test('a plan from anything to itself is empty, whatever was counted', () => {
  fc.assert(
    fc.property(whole, (text) => {
      const counted = text.replaceAll('[0:0]', '[12:345]').replaceAll(/^-A/gm, '[1:2] -A');
      const change = plan(parse(counted), parse(text));
      expect(isEmptyPlan(change)).toBe(true);
      expect(renderPlan(change) + renderPlanRestore(change)).toBe('');
    }),
  );
});

const countChanges = ({ tables }: Plan) =>
  tables.flatMap(({ rules }) => rules.flatMap(({ changes }) => changes)).length;

test('one rule inserted is one change', () => {
  fc.assert(
    fc.property(whole, fc.nat(), (text, where) => {
      const lines = text.split('\n');
      const places = lines.flatMap((line, index) => (line.startsWith('-A INPUT') ? [index] : []));
      fc.pre(places.length > 0);
      lines.splice(places[where % places.length] ?? 0, 0, '-A INPUT -p icmp -j ACCEPT');
      expect(countChanges(plan(parse(text), parse(lines.join('\n'))))).toBe(1);
    }),
  );
});

test.each([
  { much: 'little', keepHave: 50, keepWant: 70 },
  { much: 'a lot', keepHave: 3, keepWant: 2 },
])('long lists that differ $much have all they can have in common', ({ keepHave, keepWant }) => {
  const long = Array.from({ length: 6000 }, (_, index) => `${index}`);
  const have = long.filter((_, index) => index % keepHave !== 0);
  const want = long.filter((_, index) => index % keepWant !== 0);
  const partners = findCommonSubsequence(have, want);
  expect(partners.filter((partner) => partner >= 0).length).toBe(
    long.filter((_, index) => index % keepHave !== 0 && index % keepWant !== 0).length,
  );
  expect([...partners].every((partner, index) => partner < 0 || have[partner] === want[index])).toBe(true);
});

test('long lists with nothing in common, and in reverse, take no time', SLOW, () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
  const elapsedMs = startCpuClock();
  expect(
    findCommonSubsequence(
      lines,
      lines.map((line) => `${line}x`),
    ).every((partner) => partner === -1),
  ).toBe(true);
  expect(findCommonSubsequence(lines, lines.toReversed()).filter((partner) => partner >= 0).length).toBe(1);
  expect(elapsedMs()).toBeLessThan(2000);
});
