import { execFileSync } from 'node:child_process';
import { buildListing, type Family, parseSave, renderSave, type TableName } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { SPELLINGS, type Spelling } from '../../testing/spellings.ts';
import { listIcmpNames } from '../explain/icmp-names.ts';

/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare' } as const;
const TOOLS = { ipv4: 'iptables', ipv6: 'ip6tables' } as const;
const PLACES = (['ipv4', 'ipv6'] as const).flatMap((family) =>
  (['filter', 'mangle', 'nat', 'raw'] as const).flatMap((table) =>
    (['nft', 'legacy'] as const).map((variant) => ({ family, table, variant })),
  ),
);

const icmp = (family: Family, protocol: string, option: string): readonly Spelling[] =>
  listIcmpNames(protocol).map((named) => {
    const [, name = '', kind = ''] = /^(\S+) \((.*)\)$/.exec(named) ?? [];
    const match = protocol === 'icmp' ? 'icmp' : 'icmp6';
    const listed = `-A INPUT -p ${protocol} -m ${match} ${option} ${kind}`;
    return { family, written: `-A INPUT -p ${protocol} ${option} ${name}`, listed };
  });
const ALL = [...SPELLINGS, ...icmp('ipv4', 'icmp', '--icmp-type'), ...icmp('ipv6', 'ipv6-icmp', '--icmpv6-type')];

const save = (table: TableName, lines: readonly string[]) =>
  [`*${table}`, ':OWN - [0:0]', ...lines, 'COMMIT', ''].join('\n');

/** What the tool lists of the lines in a namespace of its own, without comments. */
function listedBy(tool: string, table: TableName, lines: readonly string[]): readonly string[] {
  const script = `${tool}-restore && ${tool}-save -t ${table}`;
  const input = save(table, lines);
  const output = execFileSync(SYSTEM.unshare, ['-n', 'sh', '-c', script], { encoding: 'utf8', input, stdio: 'pipe' });
  return output.split('\n').filter((line) => line.startsWith('-A'));
}

test.each(PLACES)('$family $table, $variant: listed as the tools list it', ({ family, table, variant }) => {
  const ours = ALL.filter((one) => (one.family ?? 'ipv4') === family && (one.table ?? 'filter') === table);
  // Inserted rules would come first.
  const rows = ours.toSorted((a, b) => Number(b.written.startsWith('-I')) - Number(a.written.startsWith('-I')));
  const written = rows.map((row) => row.written);
  const listed = listedBy(`${TOOLS[family]}-${variant}`, table, written);
  expect(byChain(listed)).toEqual(byChain(rows.flatMap((row) => row.listed)));
  const parsed = renderSave(buildListing(parseSave(save(table, written), family)));
  expect(byChain(parsed.split('\n').filter((line) => line.startsWith('-A')))).toEqual(byChain(listed));
});

function byChain(lines: readonly string[]): readonly string[] {
  return lines.toSorted((a, b) => chainOf(a).localeCompare(chainOf(b)));
}

function chainOf(line: string): string {
  return line.split(' ')[1] ?? '';
}

test('a save whose table comes twice is the second one to the tools', () => {
  const lines = ['-A INPUT -j DROP', 'COMMIT', '*filter', '-A INPUT -j ACCEPT'];
  for (const variant of ['nft', 'legacy'])
    expect(listedBy(`iptables-${variant}`, 'filter', lines)).toEqual(['-A INPUT -j ACCEPT']);
});
