import { expect, test } from 'vitest';
import { compareNft } from './compare-nft.ts';
import { parseNftListing } from './parse-nft-listing.ts';
import { renderReplacement, renderReturn } from './replace-nft.ts';

const LISTING = `# Warning: table ip nat is managed by iptables-nft, do not touch!
table ip nat {
}
table inet own {
	flags dormant
	comment "ours"

	set s {
		type ipv4_addr
		comment "of } {"
		elements = { 10.0.0.1 comment "a, } b",
			     10.0.0.2 }
	}

	chain c {
		ip saddr @s counter drop comment "set s {"
		tcp dport { 1,
			    2 } accept
	}

	chain output {
		comment "base"
		type filter hook output priority 0; policy accept;
		jump c
	}
}
`;
const listing = parseNftListing(LISTING);
const own = listing.get('inet own');

test('a listing is read by its layout', () => {
  expect([...listing.keys()]).toEqual(['ip nat', 'inet own']);
  expect(own?.properties).toEqual(['flags dormant', 'comment "ours"']);
  expect(own?.objects.get('s')).toEqual({
    kind: 'set',
    properties: ['type ipv4_addr'],
    elements: '10.0.0.1 comment "a, } b", 			     10.0.0.2',
  });
  expect(own?.chains.get('c')).toEqual({
    hook: undefined,
    rules: ['ip saddr @s counter drop comment "set s {"', 'tcp dport { 1, 2 } accept'],
  });
  expect(own?.chains.get('output')).toEqual({
    hook: 'type filter hook output priority 0; policy accept;',
    rules: ['jump c'],
  });
  expect(parseNftListing(own?.text ?? '').get('inet own')).toEqual(own);
  expect(own?.textWithoutElements).not.toContain('10.0.0.');
});

test.each([
  { change: (text: string) => text, differences: [] },
  { change: (text: string) => text.replace('comment "ours"', 'comment "theirs"'), differences: [] },
  { change: (text: string) => text.replace('\tflags dormant\n', ''), differences: ['extra property: flags dormant'] },
  {
    change: (text: string) => text.replace('ipv4_addr', 'ipv6_addr'),
    differences: ['missing property of set s: type ipv6_addr', 'extra property of set s: type ipv4_addr'],
  },
  {
    change: (text: string) => text.replace('jump c\n', 'jump c\n\t\taccept\n'),
    differences: ['missing rule of output: accept'],
  },
  {
    change: (text: string) => text.replace('policy accept', 'policy drop'),
    differences: [
      'chain output: type filter hook output priority 0; policy accept;, want type filter hook output priority 0; policy drop;',
    ],
  },
])('differences are named: $differences', ({ change, differences }) => {
  const wanted = parseNftListing(change(LISTING));
  expect(compareNft(listing, wanted, ['inet own'])).toEqual(differences.map((line) => `inet own: ${line}`));
});

test('whole tables are missing or extra', () => {
  expect(compareNft(listing, new Map(), ['inet own'])).toEqual(['inet own: extra table']);
  expect(compareNft(new Map(), listing, ['inet own', 'inet none'])).toEqual(['inet own: missing table']);
});

test('a replacement takes away only what is left over', () => {
  const hook = { type: 'filter', hook: 'output', priority: 0 } as const;
  const table = { family: 'inet', name: 'own', rules: [] } as const;
  const same = [{ ...table, chains: [{ name: 'output', hook }, { name: 'c' }] }];
  expect(renderReplacement(listing, same, ['inet own'])).toMatch(
    /^add table inet own\nflush table inet own\nadd chain/,
  );
  const other = [{ ...table, chains: [{ name: 'output', hook: { ...hook, priority: 1 } }] }];
  expect(renderReplacement(listing, other, ['inet own'])).toMatch(
    /^flush table inet own\ndelete chain inet own c\ndelete chain inet own output\nadd table inet own\n/,
  );
  expect(renderReplacement(listing, [], ['inet own', 'inet none'])).toBe('add table inet own\ndelete table inet own\n');
});

test('the way back leaves sets that are still there alone', () => {
  expect(renderReturn(new Map(), listing, ['inet own'])).toBe(own?.text);
  expect(renderReturn(listing, new Map(), ['inet own'])).toBe('add table inet own\ndelete table inet own\n');
  expect(renderReturn(listing, listing, ['inet own'])).toBe(
    `flush table inet own\ndelete chain inet own c\ndelete chain inet own output\n${own?.textWithoutElements}`,
  );
});
