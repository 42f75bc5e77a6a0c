import type { Topology } from '@ambientmesh/lab';

/** The pod the load comes from. */
export const CLIENT_POD = 'client';
/** The pod it goes to, on the other node. */
export const SERVER_POD = 'server';
/** Address of `SERVER_POD`, the same in every lab: each has a network of its own. */
export const SERVER_ADDRESS = '10.244.2.20';
/** The identities' trust domain; that of the lab. */
export const TRUST_DOMAIN = 'cluster.local';

/** Two nodes with a pod each. The pods do nothing by themselves: the benchmark starts its processes in them. */
export const TOPOLOGY: Topology = {
  nodes: [
    { name: 'node1', address: '172.30.0.11', podCidr: '10.244.1.0/24' },
    { name: 'node2', address: '172.30.0.12', podCidr: '10.244.2.0/24' },
  ],
  pods: [
    { name: CLIENT_POD, node: 'node1', serviceAccount: CLIENT_POD, address: '10.244.1.10', run: 'idle' },
    { name: SERVER_POD, node: 'node2', serviceAccount: SERVER_POD, address: SERVER_ADDRESS, run: 'idle' },
  ],
  services: [],
};
