import {
  applyRules,
  buildAmbientHostRules,
  buildAmbientPodRules,
  type OwnedRules,
  parseSave,
  plan,
  type Rule,
  type RuleSet,
  removeRules,
  type Target,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { checkOwnedRules } from './check-owned-rules.ts';
import { buildTable } from './table.ts';

const SERVER = parseSave(
  `*filter
:INPUT DROP
:LOGGED -
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j LOGGED
-A LOGGED -j LOG
COMMIT
`,
  'ipv4',
);
const SSH = 'filter: -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT (add ';
const NOTHING: RuleSet = { family: 'ipv4', tables: [] };

test.each([
  {
    owned: 'a chain of two',
    chains: { filter: ['LOGGED'] },
    says: ['filter INPUT: policy DROP (add "INPUT" to ownership.chains.filter: all of its rules are yours then)', SSH],
    silent: ['LOGGED'],
  },
  {
    owned: 'no chain',
    chains: { filter: [] },
    says: [SSH, 'filter: chain LOGGED (add "LOGGED" to ownership.chains.filter)', '-A INPUT -j LOGGED (add "INPUT"'],
    silent: ['is no table'],
  },
  {
    owned: 'the chains of another table',
    chains: { nat: ['INPUT', 'LOGGED'] },
    says: [
      'policy DROP (add "INPUT" to ownership.chains.filter: ',
      '-A LOGGED -j LOG (add "LOGGED" to ownership.chains.filter)',
    ],
    silent: ['chains.nat'],
  },
  {
    owned: 'the chain in other letters',
    chains: { filter: ['INPUT', 'logged'] },
    says: ['filter: chain LOGGED (add "LOGGED" to ownership.chains.filter)', '-A LOGGED -j LOG'],
    silent: ['INPUT'],
  },
  {
    owned: 'nothing',
    chains: {},
    says: ['(add "LOGGED" to ownership.chains.filter)'],
    silent: [],
  },
] as const)('owned is $owned: what is outside is refused by name', async ({ chains, says, silent }) => {
  const rules: OwnedRules = { v4: SERVER, ownership: { chains } };
  // There is no such namespace: refused before anything is looked at.
  const work = { namespace: '/nowhere' };
  const attempts = [
    async () => applyRules(rules, work),
    async () => verifyRules(rules, work),
    async () => plan(NOTHING, SERVER, rules),
  ];
  for (const attempt of attempts) {
    const error: unknown = await attempt().catch((refusal: unknown) => refusal);
    expect(error).toMatchObject({ code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining('ipv4') });
    for (const text of says) expect(error).toMatchObject({ message: expect.stringContaining(text) });
    for (const text of silent) expect(error).not.toMatchObject({ message: expect.stringContaining(text) });
  }
});

test.each([
  { wanted: 'rules of owned chains', ownership: { chains: { filter: ['INPUT', 'LOGGED'] } }, v4: SERVER },
  {
    wanted: 'a listing with ACCEPT, as every save states it, and a jump from the chain of another',
    ownership: { chains: { filter: ['OURS'] } },
    v4: parseSave(
      '*filter\n:INPUT ACCEPT\n:DOCKER-USER -\n:OURS -\n-A DOCKER-USER -j OURS\n-A OURS -g DOCKER\nCOMMIT\n*nat\nCOMMIT\n',
      'ipv4',
    ),
  },
] as const)('covered: $wanted', ({ ownership, v4 }) => {
  expect(() => {
    checkOwnedRules({ v4, ownership }, 'iptables');
  }).not.toThrow();
});

const captures = (['redirect', 'tproxy'] as const).flatMap((capture) =>
  [true, false].map((more) =>
    buildAmbientPodRules({ capture, dns: more, ingress: more, ipv6: more, virtualInterfaces: more ? ['tap+'] : [] }),
  ),
);

test.each([...captures, buildAmbientHostRules(), buildAmbientHostRules({ ipv6: false })])(
  'nothing of the ambient rule sets is outside of their ownership',
  (rules) => {
    for (const backend of ['iptables', 'nftables'] as const)
      expect(() => {
        checkOwnedRules(rules, backend);
      }).not.toThrow();
  },
);

const TABLE = { family: 'inet', name: 'own', chains: [{ name: 'c' }], rules: [] } as const;
const OWNERSHIP = { chains: { filter: ['INPUT', 'LOGGED'] } } as const;

test.each([
  {
    what: 'a table of nftables that is not owned',
    backend: 'nftables',
    rules: { nftables: [TABLE], ownership: { ...OWNERSHIP, nftTables: [{ family: 'ip', name: 'own' }] } },
    says: `table inet own (add { family: 'inet', name: "own" } to ownership.nftTables)`,
  },
  {
    what: 'no form for nftables',
    backend: 'nftables',
    rules: { v4: SERVER, ownership: OWNERSHIP },
    says: 'translateToNft',
  },
  {
    what: 'an empty form for nftables',
    backend: 'nftables',
    rules: { v4: SERVER, nftables: [], ownership: OWNERSHIP },
    says: 'translateToNft',
  },
  {
    what: 'nftables only',
    backend: 'iptables',
    rules: { nftables: [TABLE], ownership: OWNERSHIP },
    says: 'no v4 or v6',
  },
  { what: 'nothing at all', backend: 'iptables', rules: { ownership: OWNERSHIP }, says: 'nothing is wanted' },
  {
    what: 'rules of IPv4 for IPv6',
    backend: 'iptables',
    rules: { v6: SERVER, ownership: OWNERSHIP },
    says: 'v6 has rules of ipv4: want ipv6',
  },
] as const)('$what: refused, not believed to be there', async ({ backend, rules, says }) => {
  const refusal = { code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) };
  await expect(applyRules(rules, { namespace: '/nowhere', backend })).rejects.toMatchObject(refusal);
  await expect(verifyRules(rules, { namespace: '/nowhere', backend })).rejects.toMatchObject(refusal);
});

test.each([
  { chains: '{ "Filter": [] }', says: '"Filter" is no table' },
  { chains: '["INPUT"]', says: 'want names of chains by table' },
  { chains: 'null', says: 'want names of chains by table' },
  { chains: '{ "filter": "INPUT" }', says: 'filter: want a list of names of chains' },
  { chains: '{ "filter": [1] }', says: 'filter: want a list of names of chains' },
])('chains $chains are refused', async ({ chains, says }) => {
  const ownership: OwnedRules['ownership'] = { chains: JSON.parse(chains) };
  const refusal = { code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) };
  await expect(applyRules({ ownership }, { namespace: '/nowhere' })).rejects.toMatchObject(refusal);
  await expect(removeRules({ ownership }, { namespace: '/nowhere' })).rejects.toMatchObject(refusal);
});

test('a message has an end', () => {
  const lines = Array.from({ length: 25 }, (_, port) => `-A INPUT -p tcp -m tcp --dport ${port} -j ACCEPT\n`);
  const many = parseSave(`*filter\n${lines.join('')}COMMIT\n`, 'ipv4');
  expect(() => plan(NOTHING, many, { ownership: { chains: { filter: [] } } })).toThrow('; and 5 more');
});

const filterOf = (...lines: readonly string[]) => parseSave(`*filter\n${lines.join('\n')}\nCOMMIT\n`, 'ipv4');
const INPUT_AND_OURS = { chains: { filter: ['INPUT', 'OURS'] } } as const;
const input = (rule: Omit<Rule, 'chain'>): RuleSet => ({
  family: 'ipv4',
  tables: [buildTable('filter', [], [{ chain: 'INPUT', ...rule }])],
});
const REJECT: Target = { target: 'raw', text: 'REJECT' };

test.each([
  { v4: filterOf('-A INPUT -o eth0 -j ACCEPT'), says: 'INPUT "-A INPUT -o eth0 -j ACCEPT"' },
  { v4: filterOf(':OURS -', '-A INPUT -j OURS', '-A OURS -j OURS'), says: 'a circle of jumps: OURS -> OURS' },
  { v4: input({ matches: [], target: { target: 'jump', chain: 'OURS' } }), says: 'chain OURS is not declared' },
  { v4: input({ matches: [{ match: 'source', address: 'fd00::1' }], target: REJECT }), says: 'fd00::1' },
])('impossible rules are refused before anything is done: $says', async ({ v4, says }) => {
  const refusal = { code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) };
  const rules: OwnedRules = { v4, ownership: INPUT_AND_OURS };
  await expect(applyRules(rules, { namespace: '/nowhere' })).rejects.toMatchObject(refusal);
});

test.each([
  { what: 'a chain of others', lines: ['-A INPUT -j DOCKER-USER'], owned: ['INPUT'] },
  { what: 'from a chain of others', lines: [':OURS -', '-A DOCKER-USER -j OURS'], owned: ['OURS'] },
  { what: 'a chain that nothing leads to and that spells a built-in one', lines: [':input -'], owned: ['input'] },
])('what may be possible there is not refused: $what', async ({ lines, owned }) => {
  const rules: OwnedRules = { v4: filterOf(...lines), ownership: { chains: { filter: owned } } };
  const gone = { code: 'IPTABLES_NAMESPACE_GONE' };
  await expect(applyRules(rules, { namespace: '/nowhere' })).rejects.toMatchObject(gone);
});
