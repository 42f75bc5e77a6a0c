import { expect, test } from 'vitest';
import { MeshState } from '../state/mesh-state.ts';
import type { Service } from '../state/service.ts';
import type { Workload } from '../state/workload.ts';
import { evaluateQuestion } from './answer.ts';
import { TYPE_A, TYPE_AAAA } from './record-types.ts';
import { makeService, makeWorkload } from './testing/mesh-records.ts';

const NETWORK = 'nw1';
const CLIENT = makeWorkload({ namespace: 'ns1', network: NETWORK });

function service(hostname: string, vips: readonly string[], rest: Partial<Service> = {}): Service {
  const namespace = rest.namespace ?? 'ns1';
  const addresses = vips.map((vip) => {
    const [network, ip] = vip.includes('/') ? vip.split('/') : [NETWORK, vip];
    return { network: network ?? '', ip: ip ?? '' };
  });
  return makeService({ hostname, namespace, vips: addresses, ...rest });
}

const mesh = new MeshState();
for (const one of [
  service('productpage.ns1.svc.cluster.local', ['9.9.9.9']),
  service('example.ns2.svc.cluster.local', ['10.10.10.10'], { namespace: 'ns2' }),
  service('www.google.com', ['1.1.1.1']),
  service('dual.localhost', ['2.2.2.2', '2001:db8::ff00:42:8329']),
  service('ipv4.localhost', ['3.3.3.3']),
  service('ipv6.localhost', ['2001:db8::1']),
  service('*.wildcard', ['10.10.10.10']),
  service('*.b.wildcard', ['11.11.11.11']),
  service('*.svc.mesh.company.net', ['10.1.2.3']),
  service('nw2-only.ns1.svc.cluster.local', ['nw2/17.17.17.17']),
  service('both.ns1.svc.cluster.local', ['21.21.21.21', 'nw2/22.22.22.22']),
  service('headless.ns1.svc.cluster.local', []),
  service('headless6.ns1.svc.cluster.local', [], { ipFamilies: 'IPv6' }),
  service('empty.ns1.svc.cluster.local', []),
  service('headless.example.com', []),
  service('nslocal.ns2.svc.cluster.local', ['10.10.10.240'], { namespace: 'ns2', visibility: 'Namespace' }),
  service('nslocal.ns1.svc.cluster.local', ['10.10.10.241'], { visibility: 'Namespace' }),
  service('preferred.io', ['10.10.10.210'], { namespace: 'ns2' }),
  service('preferred.io', ['10.10.10.211'], { namespace: 'preferred-ns' }),
  service('everywhere.io', ['10.10.10.112'], { namespace: 'ns1' }),
  service('everywhere.io', ['10.10.10.113'], { namespace: 'preferred-ns' }),
  service('canonical.io', ['10.10.10.140'], { namespace: 'preferred-ns' }),
  service('canonical.io', ['10.10.10.141'], { namespace: 'ns3', canonical: true }),
  service('v4only.ns1.svc.cluster.local', ['4.4.4.4', '2001:db8::4'], { ipFamilies: 'IPv4' }),
])
  mesh.putService(one);
for (const [uid, ips] of [
  ['w0', ['30.30.30.30', '2001:db8::30', '30.30.30.99']],
  ['w1', ['2001:db8::31', '31.31.31.31']],
] as const) {
  const endpoint = { workloadUid: uid, ports: new Map(), healthy: true };
  mesh.putWorkload(makeWorkload({ uid, name: uid, ips, hostname: 'pod0.headless.ns1.svc.cluster.local' }), [
    { ...endpoint, service: 'ns1/headless.ns1.svc.cluster.local' },
    { ...endpoint, service: 'ns1/headless6.ns1.svc.cluster.local' },
    { ...endpoint, service: 'ns1/headless.example.com' },
  ]);
}

function answer(text: string, client: Workload = CLIENT, ipv6 = true): string {
  const [name = '', type] = text.split(' ');
  const found = evaluateQuestion({ name, type: type === 'AAAA' ? TYPE_AAAA : TYPE_A, client }, mesh, {
    clusterDomain: 'cluster.local',
    preferredNamespace: 'preferred-ns',
    ipv6,
    random: () => 0,
  });
  if (found === undefined) return 'forwarded';
  if (found.addresses.length === 0) return found.result;
  return `${found.alias ? 'CNAME ' : ''}${found.owner} ${[...found.addresses].toSorted().join(' ')}`;
}

test.each([
  ['productpage', 'productpage 9.9.9.9'],
  ['productpage.ns1', 'productpage.ns1 9.9.9.9'],
  ['productpage.ns1.svc', 'productpage.ns1.svc 9.9.9.9'],
  ['productpage.ns1.svc.cluster.local', 'productpage.ns1.svc.cluster.local 9.9.9.9'],
  ['productpage.ns1.ns1.svc.cluster.local', 'CNAME productpage.ns1 9.9.9.9'],
  ['productpage.ns1.ns1.svc.cluster.local AAAA', 'no records'],
  ['productpage.svc.cluster.local', 'CNAME productpage 9.9.9.9'],
  ['productpage.cluster.local', 'CNAME productpage 9.9.9.9'],
  ['productpage.ns2', 'forwarded'],
  ['example', 'forwarded'],
  ['example.ns2', 'example.ns2 10.10.10.10'],
  ['example.ns2.svc', 'example.ns2.svc 10.10.10.10'],
  ['www.google.com', 'www.google.com 1.1.1.1'],
  ['www.google.com.ns1.svc.cluster.local', 'CNAME www.google.com 1.1.1.1'],
  ['www.bing.com', 'forwarded'],
  ['dual.localhost', 'dual.localhost 2.2.2.2'],
  ['dual.localhost AAAA', 'dual.localhost 2001:db8::ff00:42:8329'],
  ['ipv6.localhost', 'no records'],
  ['ipv4.localhost AAAA', 'no records'],
  ['foo.wildcard', 'foo.wildcard 10.10.10.10'],
  ['a.b.wildcard', 'a.b.wildcard 11.11.11.11'],
  ['wildcard', 'forwarded'],
  ['foo.svc.mesh.company.net', 'foo.svc.mesh.company.net 10.1.2.3'],
  ['foo.foons.svc.mesh.company.net', 'foo.foons.svc.mesh.company.net 10.1.2.3'],
  ['foo.svc.mesh.company.net.ns1.svc.cluster.local', 'foo.svc.mesh.company.net.ns1.svc.cluster.local 10.1.2.3'],
  ['nw2-only.ns1.svc.cluster.local', 'no records'],
  ['both.ns1.svc.cluster.local', 'both.ns1.svc.cluster.local 21.21.21.21'],
  ['headless', 'headless 30.30.30.30 31.31.31.31'],
  ['headless AAAA', 'headless 2001:db8::30 2001:db8::31'],
  ['headless6 AAAA', 'headless6 2001:db8::30 2001:db8::31'],
  ['headless6', 'service does not support this record type'],
  ['v4only AAAA', 'service does not support this record type'],
  ['v4only', 'v4only 4.4.4.4'],
  ['empty', 'no records'],
  ['headless.example.com', 'forwarded'],
  ['pod0.headless.ns1.svc.cluster.local', 'forwarded'],
  ['nslocal.ns2.svc.cluster.local', 'forwarded'],
  ['nslocal', 'nslocal 10.10.10.241'],
  ['preferred.io', 'preferred.io 10.10.10.211'],
  ['everywhere.io', 'everywhere.io 10.10.10.112'],
  ['canonical.io', 'canonical.io 10.10.10.141'],
  ['', 'forwarded'],
])('a client in ns1 asks "%s": %s', (question, expected) => {
  expect(answer(question)).toBe(expected);
});

test('visibility NAMESPACE: a client of that namespace sees the service', () => {
  expect(answer('nslocal', makeWorkload({ namespace: 'ns2', network: NETWORK }))).toBe('nslocal 10.10.10.240');
});

test('AAAA is empty while IPv6 is off', () => {
  expect(answer('dual.localhost AAAA', CLIENT, false)).toBe('service does not support this record type');
});

test('the order of the addresses follows the random source', () => {
  const orders = [0, 0.999].map((value) =>
    evaluateQuestion({ name: 'headless', type: TYPE_A, client: CLIENT }, mesh, {
      clusterDomain: 'cluster.local',
      ipv6: true,
      random: () => value,
    })?.addresses.join(' '),
  );
  expect(new Set(orders).size).toBe(2);
});
