import { type PolicyObject, readPolicyObject } from '@ambientmesh/policy';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TOPOLOGY, type PodSpec } from '../topology/topology.ts';
import { explainNoPod, selectPods } from './selected-pods.ts';
import { findServicePorts } from './service-ports.ts';

const PODS: readonly PodSpec[] = [
  ...DEFAULT_TOPOLOGY.pods,
  { name: 'web', node: 'node1', namespace: 'shop', serviceAccount: 'web', address: '10.244.1.30', run: 'idle' },
];
const HTTPBIN = { selector: { matchLabels: { app: 'httpbin' } } };
const ALL = PODS.map(({ name }) => name);
const IN_DEFAULT = ALL.filter((name) => name !== 'web');

function policy(spec: object, namespace = 'default'): PolicyObject {
  return object('AuthorizationPolicy', spec, namespace);
}

function object(kind: string, spec: object, namespace = 'default'): PolicyObject {
  return readPolicyObject({ apiVersion: 'security.istio.io/v1', kind, metadata: { name: 'a', namespace }, spec });
}

describe('an object is for', () => {
  const labelled = { selector: { matchLabels: { app: 'web' } } };
  test.each([
    { of: policy(HTTPBIN), pods: ['httpbin-1', 'httpbin-2'] },
    { of: policy({}), pods: IN_DEFAULT },
    { of: policy({}, 'istio-system'), pods: ALL },
    { of: policy(labelled, 'istio-system'), pods: ['web'] },
    { of: policy(labelled), pods: [] },
    { of: policy({ selector: {} }), pods: [] },
    { of: policy({ targetRefs: [{ group: '', kind: 'Service', name: 'httpbin' }] }), pods: [] },
    { of: object('PeerAuthentication', labelled, 'shop'), pods: ['web'] },
    { of: object('PeerAuthentication', { selector: {} }), pods: IN_DEFAULT },
    { of: object('PeerAuthentication', labelled, 'istio-system'), pods: [] },
  ])('$of.kind of $of.metadata.namespace, $of.spec: $pods', ({ of, pods }) => {
    expect(selectPods(of, PODS).map(({ name }) => name)).toEqual(pods);
  });
});

describe('who selects no pod is told', () => {
  const misspelt = { selector: { matchLabels: { app: 'htpbin' } } };
  test.each([
    { of: policy(misspelt), said: 'selects no pod: labels there are app=httpbin, app=notsleep, app=sleep' },
    { of: policy(misspelt, 'istio-system'), said: expect.stringContaining('app=web') },
    {
      of: policy({}, 'defualt'),
      said: 'selects no pod: there is none in namespace defualt (there are some in default, shop)',
    },
    { of: policy(HTTPBIN), said: undefined },
    { of: policy({ selector: {} }), said: undefined },
  ])('$of.metadata.namespace, $of.spec: $said', ({ of, said }) => {
    expect(explainNoPod(of, PODS)).toEqual(said);
  });
});

describe('a port of a service', () => {
  const said = '80 is the port of service httpbin; policies see that of its pods, 8080';
  test.each([
    {
      spec: { rules: [{ to: [{ operation: { ports: ['8080', '80'] } }] }] },
      path: 'rules[0].to[0].operation.ports[1]',
    },
    { spec: { rules: [{ to: [{ operation: { notPorts: ['80'] } }] }] }, path: 'rules[0].to[0].operation.notPorts[0]' },
    { spec: { rules: [{ when: [{ key: 'destination.port', values: ['80'] }] }] }, path: 'rules[0].when[0].values[0]' },
  ])('is told: $path', ({ spec, path }) => {
    expect(portsOf(policy(spec))).toEqual([`spec.${path}: ${said}`]);
  });

  test('of a PeerAuthentication, too', () => {
    const ports = { ...HTTPBIN, portLevelMtls: { 80: { mode: 'PERMISSIVE' } } };
    expect(portsOf(object('PeerAuthentication', ports))).toEqual([`spec.portLevelMtls[80]: ${said}`]);
  });

  test('is nothing to those of whom it is not, nor is a port of the pods', () => {
    expect(portsOf(policy({ ...to('80'), selector: { matchLabels: { app: 'sleep' } } }))).toEqual([]);
    expect(portsOf(policy(to('8080')))).toEqual([]);
    expect(portsOf(policy(to('9000')))).toEqual([]);
  });
});

function to(port: string): object {
  return { rules: [{ to: [{ operation: { ports: [port] } }] }] };
}

function portsOf(one: PolicyObject): readonly string[] {
  return findServicePorts(one, selectPods(one, PODS), DEFAULT_TOPOLOGY.services);
}
