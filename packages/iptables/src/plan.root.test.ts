import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildListing, isEmptyPlan, parseSave, plan, renderPlanRestore, renderSave } from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomSave } from './testing/random-save.ts';
import { openThrowAway } from './testing/throw-away-namespace.ts';

/** Each run is four processes. */
const RUNS = 20;

test.each(['nft', 'legacy'])('%s: a plan carried out by the kernel gives the wanted listing', async (variant) => {
  await using place = await openThrowAway();
  const [save, restore] = [`iptables-${variant}-save`, `iptables-${variant}-restore`];
  const read = () => parseSave(place.inside(save), 'ipv4');
  fc.assert(
    fc.property(randomSave(), randomSave(), (have, text) => {
      place.inside(restore, have);
      const want = parseSave(text, 'ipv4');
      place.inside(`${restore} --noflush`, renderPlanRestore(plan(read(), want)));
      const now = read();
      expect(isEmptyPlan(plan(now, want))).toBe(true);
      const wanted = buildListing(want);
      const listed = {
        ...now,
        tables: now.tables.filter(({ name }) => wanted.tables.some((table) => table.name === name)),
      };
      expect(tablesOf(renderSave(listed, { counters: false }))).toEqual(
        tablesOf(renderSave(wanted, { counters: false })),
      );
    }),
    { numRuns: RUNS },
  );
});

/** The two variants list tables, and chains that are new, in different orders. */
function tablesOf(save: string): readonly string[] {
  const tables = save.split('COMMIT\n').map((table) => {
    const lines = table.split('\n');
    const declared = lines.filter((line) => !line.startsWith('-A')).toSorted();
    const rules = lines.filter((line) => line.startsWith('-A'));
    return [...declared, ...rules.toSorted((a, b) => chainOf(a).localeCompare(chainOf(b)))].join('\n');
  });
  return tables.toSorted();
}

function chainOf(rule: string): string {
  return rule.split(' ')[1] ?? '';
}

test('rules that stay keep their counters', async () => {
  await using place = await openThrowAway();
  place.inside(
    'iptables-restore --counters',
    '*filter\n:INPUT ACCEPT [0:0]\n[7:8] -A INPUT -i eth0 -j ACCEPT\nCOMMIT\n',
  );
  const want = parseSave(
    '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i eth1 -j DROP\n-A INPUT -i eth0 -j ACCEPT\nCOMMIT\n',
    'ipv4',
  );
  place.inside(
    'iptables-restore --noflush',
    renderPlanRestore(plan(parseSave(place.inside('iptables-save'), 'ipv4'), want)),
  );
  expect(place.inside('iptables-save -c')).toContain(
    '[0:0] -A INPUT -i eth1 -j DROP\n[7:8] -A INPUT -i eth0 -j ACCEPT\n',
  );
});

test('the kernel takes plans between whole firewalls, there and back', async () => {
  await using place = await openThrowAway();
  const read = () => parseSave(place.inside('iptables-save'), 'ipv4');
  const docker = readFileSync(join(import.meta.dirname, '../fixtures/docker-and-kube-proxy.save'), 'utf8');
  const apply = (text: string) => {
    const want = parseSave(text, 'ipv4');
    place.inside('iptables-restore --noflush', renderPlanRestore(plan(read(), want, { otherTables: 'empty' })));
    expect(isEmptyPlan(plan(read(), want, { otherTables: 'empty' }))).toBe(true);
  };
  apply(docker);
  apply('*nat\n:PREROUTING ACCEPT [0:0]\n:NEW - [0:0]\n-A PREROUTING -j NEW\nCOMMIT\n');
  apply(docker);
});
