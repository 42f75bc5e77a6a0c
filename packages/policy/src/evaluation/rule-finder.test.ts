import { expect, test } from 'vitest';
import { readSubject, type Subject } from '../matching/subject.ts';
import type { Rule } from '../policy.ts';
import { CONNECTIONS, exact } from '../testing/build-policy.ts';
import { RuleFinder } from './rule-finder.ts';

const tls = readSubject(CONNECTIONS.tls);
const plain = readSubject(CONNECTIONS.plain);
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

/** How many rules ask for the port, which is the first thing that a rule of this file looks at. */
function countTried(rules: readonly Rule[], subject: Subject): number {
  let tried = 0;
  new RuleFinder(rules).find({
    ...subject,
    get destinationPort(): number {
      tried++;
      return 0;
    },
  });
  return tried;
}

test('rules that name other principals are not tried', () => {
  expect(countTried([other, own, other, port], tls)).toBe(2);
  expect(countTried([other, own, other], plain)).toBe(0);
});
