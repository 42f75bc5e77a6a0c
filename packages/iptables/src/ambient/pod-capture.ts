import type { AddressMatch, Family } from '../core/rule.ts';

/** What of a pod's traffic is captured, checked; the same in both families and in every form of the rules. */
export interface PodCapture {
  readonly dns: boolean;
  readonly ingress: boolean;
  readonly virtualInterfaces: readonly string[];
}

/** The addresses of one family that rules name. */
export interface FamilyAddresses {
  readonly probe: string;
  /** "The address the packet came in on", for TPROXY. */
  readonly any: string;
  /** `! -d` loopback. */
  readonly notLoopback: AddressMatch;
}

/** Puts the addresses of a family together; `probe` is canonical. */
export function familyAddresses(family: Family, probe: string): FamilyAddresses {
  const loopback =
    family === 'ipv4' ? { address: '127.0.0.1', prefixLength: 32 } : { address: '::1', prefixLength: 128 };
  return {
    probe,
    any: family === 'ipv4' ? '0.0.0.0' : '::',
    notLoopback: { match: 'destination', ...loopback, negated: true },
  };
}
