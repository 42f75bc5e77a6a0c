/** Sets of the pod addresses that host probes may go to: ipsets, or sets of the nftables table, by family. */
export const PROBE_SETS = { v4: 'istio-inpod-probes-v4', v6: 'istio-inpod-probes-v6' } as const;
