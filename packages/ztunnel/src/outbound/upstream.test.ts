import { expect, test } from 'vitest';
import { endpoint, service, workload } from '../state/fixtures.ts';
import { MeshState } from '../state/mesh-state.ts';
import type { LoadBalancing, Service } from '../state/service.ts';
import type { Endpoint, GatewayAddress, Workload } from '../state/workload.ts';
import { LoadBalancer } from './load-balancer.ts';
import { type Upstream, UpstreamSelector } from './upstream.ts';

const source = workload({ name: 'source', ips: ['127.0.0.1'] });
const byAddress = (ip: string): GatewayAddress => ({
  destination: { kind: 'address', network: '', ip },
  hbonePort: 15008,
});

function select(
  known: { workloads?: readonly (readonly [Workload, readonly Endpoint[]])[]; services?: readonly Service[] },
  ip: string,
  port = 80,
): Upstream {
  const state = new MeshState();
  state.putWorkload(source, []);
  for (const [one, endpoints] of known.workloads ?? []) state.putWorkload(one, endpoints);
  for (const one of known.services ?? []) state.putService(one);
  return new UpstreamSelector(state, new LoadBalancer(() => 0), '').select({
    source,
    clientIp: '127.0.0.1',
    target: { ip, port },
  });
}

const tcpPod = workload({ name: 'tcp', ips: ['127.0.0.2'], protocol: 'TCP' });
const pod = workload({ name: 'pod', ips: ['127.0.0.2'] });
const waypoint = workload({ name: 'waypoint', ips: ['127.0.0.10'], serviceAccount: 'waypoint' });
const behind = workload({ name: 'behind', ips: ['127.0.0.2'], waypoint: byAddress('127.0.0.10') });
const vip = [{ network: '', ip: '127.0.0.3' }];

test.each<[string, Parameters<typeof select>, object]>([
  [
    'an unknown address is passed through',
    [{}, '1.2.3.4'],
    { kind: 'tcp', to: { ip: '1.2.3.4', port: 80 }, workload: undefined },
  ],
  [
    'a TCP pod is reached plainly',
    [{ workloads: [[tcpPod, []]] }, '127.0.0.2'],
    { kind: 'tcp', to: { ip: '127.0.0.2', port: 80 } },
  ],
  [
    'an HBONE pod is reached through a tunnel',
    [{ workloads: [[pod, []]] }, '127.0.0.2'],
    { kind: 'hbone', nextHop: { ip: '127.0.0.2', port: 15008 }, authority: '127.0.0.2:80' },
  ],
  [
    'a pod with a waypoint through the waypoint',
    [
      {
        workloads: [
          [waypoint, []],
          [behind, []],
        ],
      },
      '127.0.0.2',
    ],
    {
      kind: 'hbone',
      nextHop: { ip: '127.0.0.10', port: 15008 },
      authority: '127.0.0.2:80',
      expected: [{ serviceAccount: 'waypoint' }],
    },
  ],
  [
    'a service with a waypoint: the authority is the virtual address, untranslated',
    [
      {
        workloads: [
          [waypoint, []],
          [pod, [endpoint(pod, 's')]],
        ],
        services: [service({ name: 's', vips: vip, waypoint: byAddress('127.0.0.10') })],
      },
      '127.0.0.3',
    ],
    { kind: 'hbone', nextHop: { ip: '127.0.0.10', port: 15008 }, authority: '127.0.0.3:80' },
  ],
  [
    'a service without endpoints is an error, not a way around the mesh',
    [{ services: [service({ name: 's', vips: vip })] }, '127.0.0.3'],
    { kind: 'none', message: 'no healthy upstream: 127.0.0.3:80' },
  ],
  [
    'a port that the service does not have',
    [{ workloads: [[pod, [endpoint(pod, 's')]]], services: [service({ name: 's', vips: vip })] }, '127.0.0.3', 81],
    { kind: 'none', message: 'no healthy upstream: 127.0.0.3:81' },
  ],
  [
    "a service's port is translated, for tunnels in the authority",
    [{ workloads: [[pod, [endpoint(pod, 's')]]], services: [service({ name: 's', vips: vip })] }, '127.0.0.3'],
    { kind: 'hbone', nextHop: { ip: '127.0.0.2', port: 15008 }, authority: '127.0.0.2:8080' },
  ],
  [
    'a named port is whatever the endpoint maps it to',
    [
      {
        workloads: [[pod, [endpoint(pod, 's', [[80, 1234]])]]],
        services: [service({ name: 's', vips: vip, ports: new Map([[80, 0]]) })],
      },
      '127.0.0.3',
    ],
    { authority: '127.0.0.2:1234' },
  ],
  [
    'a passthrough service is dialled at its own address',
    [
      {
        services: [
          service({
            name: 's',
            vips: vip,
            loadBalancing: { mode: 'Passthrough', preferences: [], healthPolicy: 'OnlyHealthy' },
          }),
        ],
      },
      '127.0.0.3',
    ],
    { kind: 'tcp', to: { ip: '127.0.0.3', port: 80 }, service: undefined },
  ],
  [
    'an unhealthy endpoint takes nothing',
    [
      { workloads: [[pod, [endpoint(pod, 's', [], false)]]], services: [service({ name: 's', vips: vip })] },
      '127.0.0.3',
    ],
    { kind: 'none' },
  ],
  [
    'names of the service are expected beside the identity of the workload',
    [
      {
        workloads: [[pod, [endpoint(pod, 's')]]],
        services: [service({ name: 's', vips: vip, subjectAltNames: ['spiffe://x/ns/y/sa/z', 'junk'] })],
      },
      '127.0.0.3',
    ],
    {
      expected: [
        { trustDomain: 'x', namespace: 'y', serviceAccount: 'z' },
        { trustDomain: 'cluster.local', serviceAccount: 'default' },
      ],
    },
  ],
  [
    'IPv6 services use the IPv6 address of the endpoint',
    [
      {
        workloads: [
          [workload({ name: 'dual', ips: ['127.0.0.2', 'ff06::c3'] }), [endpoint(workload({ name: 'dual' }), 's')]],
        ],
        services: [service({ name: 's', vips: vip, ipFamilies: 'IPv6' })],
      },
      '127.0.0.3',
    ],
    { authority: '[ff06::c3]:8080', nextHop: { ip: 'ff06::c3', port: 15008 } },
  ],
  [
    'another network is never reached directly',
    [
      {
        workloads: [
          [workload({ name: 'far', ips: ['10.9.9.9'], network: 'n2' }), [endpoint(workload({ name: 'far' }), 's')]],
        ],
        services: [service({ name: 's', vips: vip })],
      },
      '127.0.0.3',
    ],
    {
      kind: 'none',
      message: 'no valid routing destination for workload: Workload{far with uid cluster1//v1/Pod/default/far (HBONE)}',
    },
  ],
  [
    'an unknown waypoint is an error',
    [{ workloads: [[behind, []]] }, '127.0.0.2'],
    { kind: 'none', message: expect.stringContaining('unknown waypoint: waypoint GatewayAddress') },
  ],
])('spec ztunnel.md §7: %s', (_, args, expected) => {
  expect(select(...args)).toMatchObject(expected);
});

test('a workload waypoint does not send its own traffic to itself', () => {
  const own = workload({ name: 'source', ips: ['127.0.0.1'], serviceAccount: 'waypoint' });
  const state = new MeshState();
  state.putWorkload(own, []);
  state.putWorkload(workload({ name: 'behind', ips: ['127.0.0.2'], waypoint: byAddress('127.0.0.1') }), []);
  const upstream = new UpstreamSelector(state, new LoadBalancer(), '').select({
    source: own,
    clientIp: '127.0.0.1',
    target: { ip: '127.0.0.2', port: 80 },
  });
  expect(upstream).toMatchObject({ kind: 'hbone', nextHop: { ip: '127.0.0.2' } });
});

test('weights are kept and short runs are spread evenly', () => {
  const [a, b] = [workload({ name: 'a', capacity: 3 }), workload({ name: 'b', capacity: 1 })];
  const balancer = new LoadBalancer(() => 0);
  const candidates = [a, b].map((one) => ({ workload: one, endpoint: endpoint(one, 's') }));
  const picks = Array.from(
    { length: 8 },
    () => balancer.pick('s:80', service({ name: 's' }), source, candidates)?.workload.name,
  );
  expect(picks).toEqual(['a', 'a', 'b', 'a', 'a', 'a', 'b', 'a']);
});

test('an endpoint that is away begins anew when it is back', () => {
  const ones = ['a', 'b', 'c'].map((name) => workload({ name }));
  const candidates = ones.map((one) => ({ workload: one, endpoint: endpoint(one, 's') }));
  const balancer = new LoadBalancer(() => 0);
  const run = (count: number, from: typeof candidates): (string | undefined)[] =>
    Array.from({ length: count }, () => balancer.pick('s:80', service({ name: 's' }), source, from)?.workload.name);
  expect(run(4, candidates)).toEqual(['a', 'b', 'c', 'a']);
  expect(run(3, candidates.slice(1))).toEqual(['b', 'c', 'b']);
  expect(run(4, candidates)).toEqual(['c', 'a', 'b', 'c']);
});

test('with thousands of endpoints a connection is spread as evenly, in time that grows with their number only', () => {
  const candidates = Array.from({ length: 5_000 }, (_, index) => {
    const one = workload({ name: `pod-${index}` });
    return { workload: one, endpoint: endpoint(one, 's') };
  });
  const balancer = new LoadBalancer(() => 0);
  const began = process.cpuUsage();
  const picked = Array.from({ length: 50 }, () => balancer.pick('s:80', service({ name: 's' }), source, candidates));
  // About 0.03 s; quadratic, it takes seconds.
  expect(process.cpuUsage(began).user).toBeLessThan(1_000_000);
  expect(picked).toEqual(candidates.slice(0, 50));
});

const at = (name: string, network: string, region: string, zone: string): Workload =>
  workload({ name, network, locality: { region, zone, subzone: '' } });
const places = [
  at('match', 'net', 'reg', 'zone'),
  at('almost', 'net', 'reg', 'other'),
  at('none', 'net', '', ''),
  at('other', 'othernet', 'reg', 'zone'),
];
const failover: LoadBalancing = {
  mode: 'Failover',
  preferences: ['Network', 'Region', 'Zone'],
  healthPolicy: 'OnlyHealthy',
};

test.each<[string, LoadBalancing['mode'], Workload, string[]]>([
  ['strict without match', 'Strict', at('c', 'net', 'reg', 'elsewhere'), []],
  ['full match', 'Failover', at('c', 'net', 'reg', 'zone'), ['match']],
  ['network and region', 'Failover', at('c', 'net', 'reg', '-'), ['match', 'almost']],
  ['network only', 'Failover', at('c', 'net', 'x', 'x'), ['match', 'almost', 'none']],
  ['no network, region and zone', 'Failover', at('c', 'x', 'reg', 'zone'), ['match', 'other']],
  ['nothing matches', 'Failover', at('c', 'x', 'x', 'x'), ['match', 'almost', 'none', 'other']],
])('spec ztunnel.md 17.5: %s', (_, mode, client, expected) => {
  const balancer = new LoadBalancer(() => 0);
  const candidates = places.map((one) => ({ workload: one, endpoint: endpoint(one, 's') }));
  const of = service({ name: 's', loadBalancing: { ...failover, mode } });
  const picks = new Set(Array.from({ length: 12 }, () => balancer.pick('s:80', of, client, candidates)?.workload.name));
  picks.delete(undefined);
  expect(picks).toEqual(new Set(expected));
});
