import { describe, expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const ALL =
  'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {rules: [{}]}\n';
const ONLY_8080 = ALL.replace('[{}]', '[{to: [{operation: {ports: ["8080"]}}]}]');

function line(target: string, name = 'api-1'): string {
  return `2026-08-20T10:00:00.1Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.7:41000 src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr=10.0.0.9:15008 dst.hbone_addr=${target} dst.workload="${name}" dst.namespace="shop" direction="inbound" bytes_sent=1 bytes_recv=1 duration="1ms"\n`;
}

function service(ports: string, rest = 'selector: {app: api}'): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\nspec: {${rest}, ports: ${ports}}\n`;
}

const SERVICE_OF_80 = {
  metadata: { name: 'api', namespace: 'shop' },
  spec: { selector: { app: 'api' }, ports: [{ port: 80, targetPort: 8080 }] },
};
const POD =
  'apiVersion: v1\nkind: Pod\nmetadata: {name: api-1, namespace: shop}\nspec: {containers: [{name: a}, {name: b, ports: [{name: http, containerPort: 9, protocol: UDP}, {name: http, containerPort: 8080}]}]}\n';
const ASKED = ['what-if', '--log', 'log', '--policies', 'all', '--changed', 'only'];
const WITH_SERVICES = [...ASKED, '--services', 'services', '--workloads', 'pods'];
const BY_NAME = 'api.shop.svc.cluster.local:80';

function run(files: Readonly<Record<string, string>>, args: readonly string[] = WITH_SERVICES) {
  return runForTest(args, { all: ALL, only: ONLY_8080, log: line(BY_NAME), services: '', pods: '', ...files });
}

test('without them it is undecided, and told what is wanted', async () => {
  const log = line(BY_NAME) + line('10.96.0.1:80') + line('[fd00::1]:80');
  expect(await run({ log }, ASKED)).toMatchObject({
    code: 3,
    error:
      'the port of the pod is not known behind "api.shop.svc.cluster.local:80": want --services, and --workloads where its target port has a name\n',
  });
});

describe('the port of the pod', () => {
  test.each([
    { ports: '[{port: 80, targetPort: 8080}]', code: 0 },
    { ports: '[{port: 80, targetPort: 9090}]', code: 1 },
    { ports: '[{port: 80}]', code: 1 },
    { ports: '[{port: 80, targetPort: 0}]', code: 1 },
    { ports: '[{port: 81, targetPort: 8080}]', code: 3 },
    { ports: '[{port: 80, targetPort: 8080, protocol: UDP}]', code: 3 },
    { ports: '[{port: 80, targetPort: 53, protocol: UDP}, {port: 80, targetPort: 8080, protocol: TCP}]', code: 0 },
    { ports: '[{port: 80, targetPort: http}]', pods: POD, code: 0 },
    { ports: '[{port: 80, targetPort: http}]', pods: POD.replace('8080', '8081'), code: 1 },
    { ports: '[{port: 80, targetPort: http}]', pods: POD.replace('api-1', 'api-2'), code: 3 },
    { ports: '[{port: 80, targetPort: http}]', pods: POD.replace('containers', 'initContainers'), code: 0 },
    { ports: '[{port: 80, targetPort: web}]', pods: POD, code: 3 },
    { ports: '[{port: 80, targetPort: http}]', pods: '', code: 3 },
    { ports: 'null', code: 3 },
  ])('of a service with ports $ports: exit code $code', async ({ ports, pods = '', code }) => {
    expect(await run({ services: service(ports), pods })).toMatchObject({ code });
  });

  test('is judged, and shown, as that of the pod', async () => {
    const { output } = await run({ services: service('[{port: 80, targetPort: 9090}]') });
    expect(output).toContain('wanted 8080, got 9090');
  });

  const PORTS = '[{port: 80, targetPort: 8080}]';
  test.each([
    ['a service whose endpoints somebody wrote', service(PORTS, 'clusterIP: None'), 3],
    ['a service that selects nothing', service(PORTS, 'selector: {}'), 3],
    ['a service of another namespace', service(PORTS).replace('namespace: shop', 'namespace: other'), 3],
    ['two clusters that agree', `${service(PORTS)}---\n${service(PORTS)}`, 0],
    ['two clusters that do not', `${service(PORTS)}---\n${service(PORTS.replace('8080', '8081'))}`, 3],
    ['one that does not tell', `${service(PORTS)}---\n${service('[{port: 81}]')}`, 3],
    ['objects of other kinds', `apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n---\n${service(PORTS)}`, 0],
    ['a list', JSON.stringify({ kind: 'List', items: [{ kind: 'Service', ...SERVICE_OF_80 }] }), 0],
  ])('%s', async (_name, services, code) => {
    expect(await run({ services })).toMatchObject({ code });
  });

  test.each([
    ['API.Shop.svc.cluster.local:80', [], 0],
    ['api.shop.svc.example.org:80', [], 3],
    ['api.shop.svc.example.org:80', ['--cluster-domain', 'example.org'], 0],
    [BY_NAME, ['--cluster-domain', 'example.org'], 3],
    ['api.shop.svc:80', [], 3],
    ['10.96.0.1:80', [], 3],
    ['10.0.0.9:8080', [], 0],
  ])('behind %s with %j: exit code %i', async (target, args, code) => {
    expect(await run({ log: line(target), services: service(PORTS) }, [...WITH_SERVICES, ...args])).toMatchObject({
      code,
    });
  });
});

test.each([
  [service('[{port: 80, targetPort: 99999}]'), 'services:4:61: spec.ports[0].targetPort: want a port or its name'],
  [service('[{targetPort: 80}]'), 'services:4:38: spec.ports[0].port: want a port'],
  [service('80'), 'services:4:37: spec.ports: want a list'],
  [service('[]').replace('namespace: shop', 'labels: {}'), 'services:3:1: want metadata.namespace of the Service'],
])('refused: %s', async (services, message) => {
  expect(await run({ services })).toMatchObject({ code: 2, output: '', error: `ambient-policy: ${message}\n` });
});

test('standard input is for one file', async () => {
  const args = ['what-if', '--log', '-', '--policies', 'all', '--changed', 'only', '--services', '-'];
  expect(await run({}, args)).toMatchObject({ code: 2, error: expect.stringContaining('only one file can be') });
});
