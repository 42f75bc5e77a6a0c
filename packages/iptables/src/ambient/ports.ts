/** Ports of the node proxy inside of a pod's namespace. */
export const CAPTURE_PORTS = { outbound: 15_001, inboundPlaintext: 15_006, inboundHbone: 15_008, dns: 15_053 } as const;

/** Where applications send DNS queries. */
export const DNS_PORT = 53;
/** Keeps the proxy's own queries apart from the application's in connection tracking. */
export const DNS_ZONE = 1;
