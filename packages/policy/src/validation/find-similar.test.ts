import { expect, test } from 'vitest';
import { findSimilar } from './find-similar.ts';

test.each([
  {
    name: 'serviceAccount',
    known: ['namespaces', 'serviceAccounts', 'notServiceAccounts'],
    similar: 'serviceAccounts',
  },
  { name: 'ipblocks', known: ['ipBlocks', 'notIpBlocks'], similar: 'ipBlocks' },
  { name: 'rule', known: ['name', 'rules'], similar: 'rules' },
  { name: 'prot', known: ['ports'], similar: undefined },
  { name: 'x', known: ['y'], similar: undefined },
  { name: '', known: ['y'], similar: undefined },
  { name: 'x'.repeat(100_000), known: ['rules'], similar: undefined },
  { name: 'rule', known: [], similar: undefined },
])('by $name.length letters of $name, $similar was meant', ({ name, known, similar }) => {
  expect(findSimilar(name, known)).toBe(similar);
});
