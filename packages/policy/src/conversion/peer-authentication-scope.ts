import type { PeerAuthentication, PeerAuthenticationMode, PeerAuthenticationTls } from './policy-object.ts';
import { readPort } from './read-values.ts';

/** A workload as selectors see it. */
export interface SelectedWorkload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The objects for the same workload that count, from the widest on; each may be missing. */
export interface PeerAuthenticationScopes {
  readonly mesh: PeerAuthentication | undefined;
  readonly namespace: PeerAuthentication | undefined;
}

/** Port of a workload with a mode of its own. */
export interface PortMode {
  readonly port: number;
  readonly mode: Exclude<PeerAuthenticationMode, 'UNSET'>;
}

/** The mode of an object, or of one of its ports. */
export function modeOf(tls: PeerAuthenticationTls | undefined): PeerAuthenticationMode {
  return tls?.mode ?? 'UNSET';
}

/** Whether this mode lets plain text in. `DISABLE` is not another one here: ztunnel takes tunnels and plain text alike. */
export function isOpen(mode: PeerAuthenticationMode): boolean {
  return mode === 'PERMISSIVE' || mode === 'DISABLE';
}

/** Ports with a mode of their own, ascending. Keys that are no ports are left out: nothing can come to them. */
export function portModes({ spec }: PeerAuthentication): readonly PortMode[] {
  const modes: PortMode[] = [];
  for (const [key, tls] of Object.entries(spec?.portLevelMtls ?? {})) {
    const port = readPort(key);
    const mode = modeOf(tls);
    // 0 is none, either: it would name a policy for which there is no connection.
    if (port && mode !== 'UNSET') modes.push({ port, mode });
  }
  return modes.toSorted((left, right) => left.port - right.port);
}

/** Whether the object is for some workloads only. An empty selector is for the whole namespace. */
export function selectsWorkloads({ spec }: PeerAuthentication): boolean {
  return Object.keys(spec?.selector?.matchLabels ?? {}).length > 0;
}

/** Whether plain text is refused where no object for single workloads says otherwise. */
export function isStrictByScopes({ mesh, namespace }: PeerAuthenticationScopes): boolean {
  const inNamespace = modeOf(namespace?.spec?.mtls);
  return (inNamespace === 'UNSET' ? modeOf(mesh?.spec?.mtls) : inNamespace) === 'STRICT';
}

/**
 * The oldest of some objects: the one that counts. An object without time of creation is older than any; of the same
 * age, the one whose name comes first counts (the reference leaves that to chance).
 */
export function findOldest(objects: Iterable<PeerAuthentication>): PeerAuthentication | undefined {
  let oldest: PeerAuthentication | undefined;
  for (const object of objects) if (oldest === undefined || isOlder(object, oldest)) oldest = object;
  return oldest;
}

function isOlder(left: PeerAuthentication, right: PeerAuthentication): boolean {
  const difference = createdAtEpochMs(left) - createdAtEpochMs(right);
  return difference === 0 ? left.metadata.name < right.metadata.name : difference < 0;
}

function createdAtEpochMs({ metadata: { creationTimestamp } }: PeerAuthentication): number {
  const time = creationTimestamp === undefined ? Number.NaN : Date.parse(creationTimestamp);
  return Number.isNaN(time) ? Number.MIN_SAFE_INTEGER : time;
}
