import type { NewRoute } from '@ambientmesh/netns';
import type { Policy } from '@ambientmesh/policy';
import { describe, expect, test } from 'vitest';
import { renderHosts } from './hosts-file.ts';
import { renderMeshConfig, spiffeUriOf } from './mesh-config.ts';
import { buildNetworkPlan } from './network-plan.ts';
import { renderPolicyYaml } from './policy-yaml.ts';
import { renderServiceRules } from './service-rules.ts';
import { DEFAULT_TOPOLOGY, type Topology } from './topology.ts';

describe('network plan', () => {
  const plan = buildNetworkPlan(DEFAULT_TOPOLOGY, true);
  const routesOf = (name: string): readonly NewRoute[] => plan.namespaces.get(name)?.routes ?? [];

  test('makes a namespace for every node and pod, and a cable from each pod to its node', () => {
    expect([...plan.namespaces.keys()]).toEqual(['node1', 'node2', 'sleep', 'notsleep', 'httpbin-1', 'httpbin-2']);
    expect(plan.cables).toContainEqual({ name: 'node1-end', to: 'node1' });
    expect(plan.cables).toContainEqual({ name: 'pod4-end', from: 'node2', to: 'httpbin-2' });
  });

  test('routes pods on their node, and other nodes by their pod range', () => {
    expect(routesOf('node1')).toContainEqual({ dst: '10.244.1.10', dev: 'pod1-end', src: '172.30.0.11' });
    expect(routesOf('node1')).toContainEqual({ dst: '10.244.2.0/24', via: '172.30.0.12', dev: 'eth0', onlink: true });
    expect(routesOf('node1')).toContainEqual({
      dst: 'fd00:10:244:2::/64',
      via: 'fd00:172:30::12',
      dev: 'eth0',
      onlink: true,
    });
    expect(JSON.stringify(plan.namespaces.get('node1'))).not.toContain('pod4-end');
    expect(routesOf('sleep')).toContainEqual({ dst: '0.0.0.0/0', via: '169.254.1.1', dev: 'eth0', src: '10.244.1.10' });
  });

  test('without IPv6 there is nothing of it', () => {
    const { own, namespaces } = buildNetworkPlan(DEFAULT_TOPOLOGY, false);
    const plans = [own, ...namespaces.values()].map(({ addresses, routes }) => ({ addresses, routes }));
    expect(JSON.stringify(plans)).not.toMatch(/fd00|fe80|::/);
    expect(plans.every(({ addresses, routes }) => addresses.length > 0 && routes.length > 0)).toBe(true);
  });
});

describe('service rules', () => {
  test('spread connections over the endpoints in turn', () => {
    const { v4, v6 } = renderServiceRules(DEFAULT_TOPOLOGY);
    expect(v4.split('\n')).toEqual([
      '*nat',
      ':KUBE-SERVICES - [0:0]',
      ':KUBE-SVC-0-80 - [0:0]',
      '-A PREROUTING -j KUBE-SERVICES',
      '-A OUTPUT -j KUBE-SERVICES',
      '-A POSTROUTING -s 10.244.1.20 -d 10.244.1.20 -j MASQUERADE',
      '-A POSTROUTING -s 10.244.2.20 -d 10.244.2.20 -j MASQUERADE',
      '-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -m comment --comment "default/httpbin" -j KUBE-SVC-0-80',
      '-A KUBE-SVC-0-80 -p tcp -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.244.1.20:8080',
      '-A KUBE-SVC-0-80 -p tcp -j DNAT --to-destination 10.244.2.20:8080',
      'COMMIT',
      '',
    ]);
    expect(v6).toContain('--to-destination [fd00:10:244:1::20]:8080');
  });

  test('are empty without services', () => {
    expect(renderServiceRules({ ...DEFAULT_TOPOLOGY, services: [] })).toEqual({ v4: '', v6: '' });
  });
});

describe('hosts', () => {
  test('know a service by all its names and pods by theirs', () => {
    const lines = renderHosts(DEFAULT_TOPOLOGY, true).split('\n');
    expect(lines).toContain('10.96.0.10 httpbin httpbin.default httpbin.default.svc httpbin.default.svc.cluster.local');
    expect(lines).toContain('10.244.1.10 sleep');
  });

  test('a service goes before a pod of its name', () => {
    const topology: Topology = {
      ...DEFAULT_TOPOLOGY,
      services: [{ name: 'sleep', vip: '10.96.0.11', ports: { 80: 80 }, endpoints: [] }],
    };
    const named = renderHosts(topology, false)
      .split('\n')
      .filter((line) => / sleep( |$)/.test(line));
    expect(named).toEqual(['10.96.0.11 sleep sleep.default sleep.default.svc sleep.default.svc.cluster.local']);
  });
});

describe('mesh configuration', () => {
  const none = { policies: [], policiesOf: () => [] };
  const enrolled = new Set(['sleep', 'httpbin-1']);
  const lines = renderMeshConfig(DEFAULT_TOPOLOGY, { enrolled, policies: none, sourcesTold: true }).split('\n');

  test('calls enrolled pods HBONE and others TCP', () => {
    expect(lines.find((line) => line.includes('"name":"sleep"'))).toContain('"protocol":"HBONE"');
    expect(lines.find((line) => line.includes('"name":"httpbin-2"'))).toContain('"protocol":"TCP"');
  });

  test('has ports as YAML numbers, in keys too', () => {
    expect(lines.find((line) => line.includes('"name":"httpbin-1"'))).toContain(
      '"services":{"default/httpbin.default.svc.cluster.local":{80: 8080}}',
    );
    expect(lines).toContain(
      '- {"name":"httpbin","namespace":"default","hostname":"httpbin.default.svc.cluster.local","vips":["/10.96.0.10","/fd00:10:96::10"],"ports":{80: 8080}}',
    );
  });

  test('of nothing is a valid file', () => {
    const empty = renderMeshConfig(
      { nodes: [], pods: [], services: [] },
      {
        enrolled: new Set(),
        policies: none,
        sourcesTold: true,
      },
    );
    expect(empty).toBe('workloads: []\npolicies: []\nservices: []\n');
  });

  test('gives each workload the policies that its namespace and labels are for', () => {
    const asked: unknown[] = [];
    const policiesOf = (workload: unknown): readonly string[] => {
      asked.push(workload);
      return ['default/a', 'istio-system/b'];
    };
    const [sleep] = DEFAULT_TOPOLOGY.pods;
    if (sleep === undefined) throw new Error('no pod');
    const topology: Topology = {
      ...DEFAULT_TOPOLOGY,
      pods: [
        { ...sleep, app: 'client', namespace: 'web' },
        { ...sleep, labels: { tier: 'front' } },
      ],
    };
    const text = renderMeshConfig(topology, {
      enrolled,
      policies: { policies: [], policiesOf },
      sourcesTold: true,
    });
    expect(asked).toEqual([
      { namespace: 'web', labels: { app: 'client' } },
      { namespace: 'default', labels: { tier: 'front' } },
    ]);
    expect(text.match(/"authorizationPolicies":\["default\/a","istio-system\/b"\]/g)).toHaveLength(2);
  });

  test('has policies with the tags of the file, and nothing that ztunnel refuses', () => {
    const policy: Policy = {
      name: 'a',
      namespace: 'default',
      scope: 'WorkloadSelector',
      action: 'Allow',
      dryRun: false,
      rules: [
        [
          [
            {
              principals: [
                { kind: 'exact', value: 'a"b' },
                { kind: 'prefix', value: 'p' },
                { kind: 'suffix', value: '' },
                { kind: 'presence' },
              ],
              notSourceIps: [{ address: 'fd00::', length: 8 }],
              destinationPorts: [80, 443],
              notServiceAccounts: [{ namespace: 'ns', serviceAccount: 'sa' }],
              namespaces: [],
            },
          ],
          [{}],
        ],
        [],
      ],
      source: { kind: 'AuthorizationPolicy', object: 'default/a', rules: [0, 1], omitted: [], ignored: [] },
    };
    const told = renderPolicyYaml(policy, false);
    expect(told).toBe(
      '{"name":"a","namespace":"default","scope":"WorkloadSelector","action":"Allow","dryRun":false,"rules":' +
        '[[[{"principals":[!Exact "a\\"b",!Prefix "p",!Suffix "",!Presence []],"notSourceIps":["fd00::/8"],' +
        '"destinationPorts":[80,443],"notServiceAccounts":[{"namespace":"ns","serviceAccount":"sa"}]}],[{}]],[]]}',
    );
    const source =
      '"source":{"kind":"AuthorizationPolicy","object":"default/a","rules":[0,1],"omitted":[],"ignored":[]}';
    expect(renderPolicyYaml(policy, true)).toBe(`${told.slice(0, -1)},${source}}`);
  });

  test('names identities as the mesh does', () => {
    expect(spiffeUriOf({ name: 'p', node: 'n', serviceAccount: 'a', namespace: 'ns', address: '', run: 'idle' })).toBe(
      'spiffe://cluster.local/ns/ns/sa/a',
    );
  });
});
