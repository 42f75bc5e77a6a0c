import { DEFAULT_TOPOLOGY, type PodSpec, type Topology } from '@ambientmesh/lab';

/** A pod on the second node that the mesh never takes over: the world outside, as client and as server. */
export const OUTSIDE: PodSpec = {
  name: 'outside',
  node: 'node2',
  serviceAccount: 'outside',
  address: '10.244.2.30',
  address6: 'fd00:10:244:2::30',
  run: 'http-server',
  enrol: false,
};

/** The lab's own topology and the pod outside. */
export const TEST_TOPOLOGY: Topology = { ...DEFAULT_TOPOLOGY, pods: [...DEFAULT_TOPOLOGY.pods, OUTSIDE] };

/** Addresses of `TEST_TOPOLOGY` by pod. */
export const ADDRESS = {
  sleep: '10.244.1.10',
  notsleep: '10.244.1.11',
  'httpbin-1': '10.244.1.20',
  'httpbin-2': '10.244.2.20',
  outside: OUTSIDE.address,
  service: '10.96.0.10',
} as const;

/** The same, IPv6. */
export const ADDRESS6 = {
  sleep: 'fd00:10:244:1::10',
  'httpbin-1': 'fd00:10:244:1::20',
  'httpbin-2': 'fd00:10:244:2::20',
  outside: 'fd00:10:244:2::30',
  service: 'fd00:10:96::10',
} as const;

/** Ports of the server in the pods; what each does is in `apps/lab/src/pods/http-server.ts`. */
export const PORT = {
  http: 8080,
  echo: 9000,
  digest: 9001,
  earlyEnd: 9002,
  reset: 9003,
  source: 9004,
  banner: 9005,
  sink: 9006,
} as const;
