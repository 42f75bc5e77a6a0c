import { expect, test } from 'vitest';
import { candidateNames, kubernetesExpansions, kubernetesSearchDomains, wildcardsOf } from './names.ts';

const scope = { namespace: 'ns1', clusterDomain: 'cluster.local' };

test.each([
  { name: '', expanded: [] },
  { name: 'name', expanded: ['name.ns1.svc.cluster.local'] },
  { name: 'name.ns2', expanded: ['name.ns2.svc.cluster.local', 'name.ns2.ns1.svc.cluster.local'] },
  { name: 'name.ns2.svc', expanded: ['name.ns2.svc.cluster.local', 'name.ns2.svc.svc.cluster.local'] },
  { name: 'name.ns2.other', expanded: ['name.ns2.other.svc.cluster.local'] },
  { name: 'www.google.com', expanded: ['www.google.com.svc.cluster.local'] },
  { name: 'pod.sub.ns.svc', expanded: ['pod.sub.ns.svc.cluster.local'] },
  { name: 'pod.sub.ns.other', expanded: [] },
  { name: 'name.ns2.svc.cluster', expanded: [] },
  { name: 'name.ns2.svc.cluster.local', expanded: [] },
])('"$name" expands to $expanded', ({ name, expanded }) => {
  expect(kubernetesExpansions(name, scope)).toEqual(expanded);
});

test.each([
  { name: 'svc1', searched: ['svc1'] },
  {
    name: 'svc1.ns1.svc.cluster.local',
    searched: [
      'svc1.ns1.svc.cluster.local',
      '*.ns1.svc.cluster.local',
      '*.svc.cluster.local',
      '*.cluster.local',
      '*.local',
    ],
  },
])('$name is searched as $searched', ({ name, searched }) => {
  expect(wildcardsOf(name)).toEqual(searched);
});

test('a search domain is taken off after the name itself was tried, the most specific first', () => {
  const searchDomains = kubernetesSearchDomains('ns1', 'cluster.local');
  expect(searchDomains).toEqual(['ns1.svc.cluster.local', 'svc.cluster.local', 'cluster.local']);
  expect(candidateNames('web.ns1.svc.cluster.local', { ...scope, searchDomains })).toEqual([
    { name: 'web.ns1.svc.cluster.local', stripped: undefined },
    { name: 'web', stripped: 'web' },
    { name: 'web.ns1', stripped: 'web.ns1' },
    { name: 'web.ns1.ns1.svc.cluster.local', stripped: 'web.ns1' },
    { name: 'web.ns1.svc', stripped: 'web.ns1.svc' },
    { name: 'web.ns1.svc.svc.cluster.local', stripped: 'web.ns1.svc' },
  ]);
});

test('nothing is left of a name that is a search domain', () => {
  const candidates = candidateNames('svc.cluster.local', { ...scope, searchDomains: ['svc.cluster.local'] });
  expect(candidates.filter(({ stripped }) => stripped !== undefined)).toEqual([]);
});
