import { expect, test } from 'vitest';
import { createTestPod, type TestPodOptions } from '../data-plane/testing/test-pod.ts';
import { endpoint, service, workload } from '../state/fixtures.ts';
import type { Service } from '../state/service.ts';
import type { Endpoint, Workload } from '../state/workload.ts';
import { resolveTarget } from './request-target.ts';

const LOCAL = '10.0.0.1';
const pod = workload({ name: 'pod', ips: [LOCAL] });
const echo = service({ name: 'echo', vips: [{ network: '', ip: '10.96.0.1' }] });
const HOST = echo.hostname;
const waypointOf = (ip: string) => ({ destination: { kind: 'address', network: '', ip }, hbonePort: 15_008 }) as const;
const tunnel = (protocol: 'NONE' | 'PROXY', port?: number): Workload => ({
  ...pod,
  applicationTunnel: { protocol, port },
});

interface Known {
  readonly local?: Workload;
  readonly endpoints?: readonly Endpoint[];
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly options?: TestPodOptions;
}

function resolve(authority: string, { local = pod, endpoints = [], workloads = [], services = [], options }: Known) {
  const { context, state } = createTestPod(options);
  state.putWorkload(local, endpoints);
  for (const one of workloads) state.putWorkload(one, []);
  for (const one of services) state.putService(one);
  return resolveTarget(context, local, LOCAL, authority);
}

const plain = { service: undefined, loopback: false, proxyHeader: false };
const mismatch = (ip: string) => ({ status: 400, message: `ip mismatch: ${LOCAL} != ${ip}` });
const recursive = { status: 503, message: 'attempted recursive call to ourselves' };
const unresolved = (port: number) => ({
  status: 503,
  message: `requested service ${HOST}:${port} found, but cannot resolve port`,
});

test.each<[name: string, authority: string, known: Known, want: object]>([
  ['4.1.1 own address', `${LOCAL}:80`, {}, { ...plain, port: 80 }],
  ['4.1 another pod', '10.0.0.2:80', { workloads: [workload({ name: 'b', ips: ['10.0.0.2'] })] }, mismatch('10.0.0.2')],
  ['4.1 an unknown address', '192.0.2.1:80', {}, mismatch('192.0.2.1')],
  ['4.1 loopback', '127.0.0.1:80', {}, mismatch('127.0.0.1')],
  ['4.1 a v4-mapped address is not the own one', `[::ffff:${LOCAL}]:80`, {}, mismatch(`::ffff:${LOCAL}`)],
  ['4.1 a service is not the pod', '10.96.0.1:80', { services: [echo] }, mismatch('10.96.0.1')],
  ['4.1.2 application tunnel NONE', '192.0.2.1:80', { local: tunnel('NONE') }, { ...plain, port: 80 }],
  [
    '4.1.2 application tunnel PROXY',
    '192.0.2.1:80',
    { local: tunnel('PROXY') },
    { ...plain, port: 80, loopback: true, proxyHeader: true },
  ],
  [
    '4.1.3 waypoint of the workload, by address',
    '10.0.0.2:80',
    { workloads: [workload({ name: 'b', ips: ['10.0.0.2'], waypoint: waypointOf(LOCAL) })] },
    { ...plain, port: 80 },
  ],
  [
    '4.1.3 waypoint of the service, by service',
    '10.96.0.9:80',
    {
      endpoints: [endpoint(pod, 'echo')],
      services: [
        echo,
        service({ name: 'front', vips: [{ network: '', ip: '10.96.0.9' }], waypoint: waypointOf('10.96.0.1') }),
      ],
    },
    { ...plain, port: 80 },
  ],
  [
    '4.1.3 waypoint of the service is another',
    '10.96.0.9:80',
    {
      services: [
        echo,
        service({ name: 'front', vips: [{ network: '', ip: '10.96.0.9' }], waypoint: waypointOf('10.96.0.1') }),
      ],
    },
    mismatch('10.96.0.9'),
  ],
  [
    '4.2 hostname: target port of the service',
    `${HOST}:80`,
    { services: [echo] },
    { ...plain, port: 8080, service: echo },
  ],
  [
    '4.2 hostname: target port of the endpoint',
    `${HOST}:80`,
    { services: [echo], endpoints: [endpoint(pod, 'echo', [[80, 9000]])] },
    { ...plain, port: 9000, service: echo },
  ],
  ['4.2 hostname: no such port', `${HOST}:81`, { services: [echo] }, unresolved(81)],
  [
    '4.2 hostname: a named port that the endpoint does not map',
    `${HOST}:80`,
    { services: [{ ...echo, ports: new Map([[80, 0]]) }] },
    unresolved(80),
  ],
  [
    '4.5 hostname unknown',
    'nobody.example:80',
    {},
    { status: 503, message: 'no service or workload for hostname: nobody.example' },
  ],
  [
    '4.5 hostname of a service that only its namespace sees',
    `${HOST}:80`,
    { services: [service({ name: 'echo', namespace: 'other', visibility: 'Namespace' })] },
    { status: 503, message: `no service or workload for hostname: ${HOST}` },
  ],
  ['4.5 port 15001', `${LOCAL}:15001`, {}, recursive],
  ['4.5 port 15006', `${LOCAL}:15006`, {}, recursive],
  ['4.5 port 15008', `${LOCAL}:15008`, {}, recursive],
  ['4.5 port 15080 without socks5', `${LOCAL}:15080`, {}, { ...plain, port: 15_080 }],
  ['4.5 port 15080 with socks5', `${LOCAL}:15080`, { options: { config: { socks5Port: 15_080 } } }, recursive],
  [
    '4.5 a target port that is the proxy',
    `${HOST}:80`,
    { services: [{ ...echo, ports: new Map([[80, 15_006]]) }] },
    recursive,
  ],
  ['4.2 port of the tunnel', `${LOCAL}:80`, { local: tunnel('NONE', 3000) }, { ...plain, port: 3000 }],
  ['4.2 the illegal port is checked before the tunnel', `${LOCAL}:15008`, { local: tunnel('NONE', 3000) }, recursive],
  ['4.2 no port', LOCAL, {}, { status: 400, message: `no valid authority pseudo header: ${LOCAL}` }],
  [
    '4.2 port too large',
    `${LOCAL}:65536`,
    {},
    { status: 400, message: `no valid authority pseudo header: ${LOCAL}:65536` },
  ],
  [
    '4.2 zone',
    '[fe80::1%eth0]:80',
    {},
    { status: 400, message: 'no valid authority pseudo header: [fe80::1%eth0]:80' },
  ],
  [
    '4.2 brackets around a name',
    '[name]:80',
    {},
    { status: 400, message: 'no valid authority pseudo header: [name]:80' },
  ],
  ['4.2 empty', '', {}, { status: 400, message: 'no valid authority pseudo header: ' }],
])('hbone.md §%s', (_, authority, known, want) => {
  expect(resolve(authority, known)).toEqual(want);
});

test('hbone.md §4.1: an IPv6 authority in any spelling', () => {
  const { context, state } = createTestPod();
  const six = workload({ name: 'six', ips: ['fd00::1'] });
  state.putWorkload(six, []);
  const answers = ['[fd00::1]:80', '[FD00:0:0:0:0:0:0:1]:80'].map((text) =>
    resolveTarget(context, six, 'fd00::1', text),
  );
  expect(answers).toEqual([
    { ...plain, port: 80 },
    { ...plain, port: 80 },
  ]);
});
