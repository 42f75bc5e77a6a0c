import { expect, test } from 'vitest';
import { endpoint, service, workload } from './fixtures.ts';
import { MeshState } from './mesh-state.ts';

const KEY = 'default/s.default.svc.cluster.local';
const pod = workload({ name: 'pod', ips: ['10.0.0.1'] });

test('endpoints that come before their service are there when it comes, and stay when it is replaced', () => {
  const state = new MeshState();
  state.putWorkload(pod, [endpoint(pod, 's')]);
  state.putService(service({ name: 's' }));
  state.putService(service({ name: 's', canonical: true }));
  expect([...state.endpointsOf(KEY)]).toHaveLength(1);
});

test('a workload that is replaced leaves none of its old endpoints and addresses', () => {
  const state = new MeshState();
  state.putService(service({ name: 's' }));
  state.putWorkload(pod, [endpoint(pod, 's')]);
  state.putWorkload({ ...pod, ips: ['10.0.0.2'] }, []);
  expect([...state.endpointsOf(KEY)]).toHaveLength(0);
  expect(state.workloadByAddress('', '10.0.0.1')).toBeUndefined();
  expect(state.workloadByAddress('', '10.0.0.2')?.name).toBe('pod');
});

test('unhealthy endpoints are used only where the service says so', () => {
  const state = new MeshState();
  state.putWorkload(pod, [endpoint(pod, 's', [], false)]);
  state.putService(service({ name: 's' }));
  expect([...state.endpointsOf(KEY)]).toHaveLength(0);
  state.putService(
    service({ name: 's', loadBalancing: { mode: 'Standard', preferences: [], healthPolicy: 'AllowAll' } }),
  );
  expect([...state.endpointsOf(KEY)]).toHaveLength(1);
});

test('of two workloads on one address the pod wins, then HBONE; host-network ones own no address', () => {
  const state = new MeshState();
  state.putWorkload(
    workload({ name: 'entry', uid: 'c/networking.istio.io/WorkloadEntry/default/e', ips: ['10.0.0.1'] }),
    [],
  );
  state.putWorkload({ ...pod, uid: 'c//Pod/default/pod', protocol: 'TCP' }, []);
  expect(state.workloadByAddress('', '10.0.0.1')?.name).toBe('pod');
  state.putWorkload(workload({ name: 'host', ips: ['10.0.0.9'], hostNetwork: true }), []);
  expect(state.workloadByAddress('', '10.0.0.9')).toBeUndefined();
});

test.each([
  ['its own namespace', 'b', 'b'],
  ['the canonical one', 'elsewhere', 'c'],
])('several services on one address: a client gets %s', (_, client, expected) => {
  const state = new MeshState();
  const vips = [{ network: '', ip: '10.96.0.1' }];
  state.putService(service({ name: 's', namespace: 'a', vips }));
  state.putService(service({ name: 's', namespace: 'b', vips }));
  state.putService(service({ name: 's', namespace: 'c', vips, canonical: true }));
  state.putService(service({ name: 's', namespace: 'hidden', vips, visibility: 'Namespace', canonical: true }));
  expect(state.serviceByVip('', '10.96.0.1', client)?.namespace).toBe(expected);
});
