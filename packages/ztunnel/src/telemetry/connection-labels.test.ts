import { expect, test } from 'vitest';
import { service, workload } from '../state/fixtures.ts';
import { type LabelledFacts, LabelSets } from './connection-labels.ts';
import type { ResponseFlag } from './connection-record.ts';
import { peerOf } from './peer.ts';

const FACTS: LabelledFacts = {
  direction: 'outbound',
  source: peerOf(workload({ name: 'a' })),
  target: peerOf(workload({ name: 'b' })),
  service: undefined,
  sourceIdentity: 'spiffe://td/ns/a/sa/a',
  targetPrincipal: 'spiffe://td/ns/b/sa/b',
  mutualTls: true,
};

test('connections that are alike have the very same labels, though their facts are other objects', () => {
  const sets = new LabelSets();
  expect(sets.of({ ...FACTS }, '-')).toBe(sets.of(FACTS, '-'));
});

interface Case {
  readonly what: string;
  readonly facts: LabelledFacts;
  readonly flag?: ResponseFlag;
}

test.each<Case>([
  { what: 'another flag', facts: FACTS, flag: 'CONNECT' },
  { what: 'the other direction', facts: { ...FACTS, direction: 'inbound' } },
  { what: 'no mutual TLS', facts: { ...FACTS, mutualTls: false } },
  { what: 'another identity of the client', facts: { ...FACTS, sourceIdentity: '' } },
  { what: 'another principal of the server', facts: { ...FACTS, targetPrincipal: '' } },
  { what: 'a service', facts: { ...FACTS, service: service({ name: 'b', hostname: 'b.example' }) } },
  { what: 'an unknown client', facts: { ...FACTS, source: undefined } },
  { what: 'an unknown server', facts: { ...FACTS, target: undefined } },
  { what: 'the peers exchanged', facts: { ...FACTS, source: FACTS.target, target: FACTS.source } },
])('$what: other labels', ({ facts, flag = '-' }) => {
  const sets = new LabelSets();
  const before = sets.of(FACTS, '-');
  const other = sets.of(facts, flag);
  expect(other).toEqual(new LabelSets().of(facts, flag));
  expect(sets.of(FACTS, '-')).toBe(before);
});

test('many services between two peers: what is known is bounded, and right', () => {
  const sets = new LabelSets();
  for (let number = 0; number < 1000; number++) {
    const facts = { ...FACTS, service: service({ name: 'many', hostname: `${number}.example` }) };
    expect(sets.of(facts, '-').pairs).toContainEqual(['destination_service', `${number}.example`]);
  }
});
