import { expect, test } from 'vitest';
import { readSubject, type Subject } from '../matching/subject.ts';
import type { Rule } from '../policy.ts';
import { CONNECTIONS, exact } from '../testing/build-policy.ts';
import { RuleFinder } from './rule-finder.ts';

const tls = readSubject(CONNECTIONS.tls);
const plain = readSubject(CONNECTIONS.plain);
const elsewhere = readSubject(CONNECTIONS.alt);
const own: Rule = [[{ principals: [exact('td/ns/namespace/sa/account')], destinationPorts: [8080] }]];
const ownElsewhere: Rule = [[{ principals: [exact('td/ns/namespace/sa/account')], destinationPorts: [1] }]];
const other: Rule = [[{ principals: [exact('td/ns/x/sa/y')], destinationPorts: [8080] }]];
const port: Rule = [[{ destinationPorts: [8080] }]];

test.each<[string, readonly Rule[], number | undefined, number | undefined]>([
  ['no rule', [], undefined, undefined],
  ['rules of others', [other, other], undefined, undefined],
  ['a rule by name', [other, own, own], 1, undefined],
  ['a rule by name for another port', [ownElsewhere, own], 1, undefined],
  ['a rule by name before one for all', [own, port], 0, 1],
  ['a rule for all before one by name', [port, own], 0, 0],
  ['rules by name before and after one for all', [ownElsewhere, other, port, own], 2, 2],
])('%s: tls finds %j, plain %j', (_, rules, onTls, onPlain) => {
  const finder = new RuleFinder(rules);
  expect([finder.find(tls), finder.find(plain)]).toEqual([onTls, onPlain]);
});

test('one rule is asked by its index', () => {
  const finder = new RuleFinder([own, other, port]);
  expect([0, 1, 2, 3].map((index) => finder.matches(index, tls))).toEqual([true, false, true, false]);
});

const [byPrefix, bySuffix]: readonly Rule[] = (['prefix', 'suffix'] as const).map((kind) => [
  [{ principals: [{ kind, value: kind === 'prefix' ? 'td/ns/' : '/sa/account' }], destinationPorts: [8080] }],
]);
const byNamespace: Rule = [[{ namespaces: [exact('namespace')], destinationPorts: [8080] }]];
const byAccount: Rule = [[{ serviceAccounts: [{ namespace: 'namespace', serviceAccount: 'account' }] }]];
const bySource: Rule = [[{ sourceIps: [{ address: '127.0.0.1', length: 32 }], destinationPorts: [8080] }]];
const byDestination: Rule = [[{ destinationIps: [{ address: '127.0.0.2', length: 32 }], destinationPorts: [8080] }]];
const ways = { byPrefix, bySuffix, byNamespace, byAccount, bySource, byDestination };

test.each(Object.entries(ways))(
  'a rule %s is found, if all of it matches, and the first of several',
  (_, rule = []) => {
    const nowhere: Rule = [...rule, [{ destinationPorts: [1] }]];
    expect(new RuleFinder([other, rule]).find(tls)).toBe(1);
    expect(new RuleFinder([nowhere, rule, rule]).find(tls)).toBe(1);
    expect(new RuleFinder([nowhere]).find(tls)).toBeUndefined();
    expect(new RuleFinder([rule]).find(elsewhere)).toBeUndefined();
    for (const another of [own, port, ...Object.values(ways)]) {
      expect(new RuleFinder([rule, another ?? []]).find(tls)).toBe(0);
      expect(new RuleFinder([nowhere, another ?? [], rule]).find(tls)).toBe(1);
    }
  },
);

test('a rule is found by the port that it is for', () => {
  const others = Array.from({ length: 3 }, (_, index): Rule => [[{ destinationPorts: [index] }]]);
  expect(new RuleFinder([...others, port]).find(tls)).toBe(3);
  expect(new RuleFinder(others).find(tls)).toBeUndefined();
});

test('ranges that cannot be read contain nothing', () => {
  const unreadable = { address: 'nowhere', length: 8 };
  expect(
    new RuleFinder([[[{ sourceIps: [unreadable] }]], [[{ destinationIps: [unreadable] }]]]).find(tls),
  ).toBeUndefined();
});

/** How many of the rules are tried: each asks first for the port, which no rule needs. */
function countTried(rules: readonly Rule[], subject: Subject): number {
  let tried = 0;
  new RuleFinder(rules.map((rule) => [[{ notDestinationPorts: [1] }], ...rule])).find({
    ...subject,
    get destinationPort(): number {
      tried++;
      return 1;
    },
  });
  return tried;
}

test('rules that name other principals are not tried', () => {
  expect(countTried([other, own, other, []], tls)).toBe(2);
  expect(countTried([other, own, other], plain)).toBe(0);
});

test('rules that need something else are not tried, and others once', () => {
  for (const rule of Object.values(ways)) {
    expect(countTried([rule ?? [], rule ?? []], elsewhere)).toBe(0);
    expect(countTried([rule ?? []], tls)).toBe(1);
  }
  expect(countTried([[[...byNamespace.flat(), ...byNamespace.flat()]]], tls)).toBe(1);
});
