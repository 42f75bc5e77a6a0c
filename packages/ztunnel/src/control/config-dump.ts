import { X509Certificate } from 'node:crypto';
import type { WorkloadState } from '@ambientmesh/zds';
import type { CertificateState } from './certificates/manager.ts';
import type { ZtunnelConfig } from './config/config.ts';
import { describeConfig, Tagged } from './config/describe-config.ts';
import type { ConnectionsByPod, Listed } from './data-threads.ts';
import { describeMesh, describeStaticConfig } from './describe-mesh.ts';
import type { Engines } from './engines.ts';
import type { MeshSnapshot } from './local-config/mesh-snapshot.ts';
import { versionFields } from './version.ts';

export interface DumpParts {
  readonly config: ZtunnelConfig;
  readonly args: readonly string[];
  readonly certificates: readonly CertificateState[];
  /** What discovery has told. */
  readonly mesh: MeshSnapshot;
  readonly workloads: ReadonlyMap<string, WorkloadState>;
  readonly connections: Listed<ConnectionsByPod>;
  readonly engines: ReturnType<Engines['describe']>;
}

/**
 * `/config_dump` (spec ztunnel.md §13): pretty JSON, keys sorted at all levels. `silentDataThreads` is there if a data thread
 * has not answered: its connections are missing.
 */
export function renderConfigDump(parts: DumpParts): string {
  const versions = versionFields(parts.config.istioVersion).map(([name, value]) => [lowerFirst(name), value]);
  const dump = {
    certificates: parts.certificates.toSorted((a, b) => (a.identity < b.identity ? -1 : 1)).map(describeCertificate),
    config: describeConfig(parts.config, parts.args),
    dataThreads: parts.engines,
    ...(parts.connections.silent.length === 0 ? {} : { silentDataThreads: parts.connections.silent }),
    ...describeMesh(parts.mesh),
    staticConfig: describeStaticConfig(parts.mesh),
    version: Object.fromEntries(versions),
    workloadState: Object.fromEntries(
      [...parts.workloads].map(([uid, { state, info }]) => [
        uid,
        {
          info: { name: info.name, namespace: info.namespace, serviceAccount: info.serviceAccount },
          state,
          ...(state === 'Up' ? { connections: parts.connections.found.get(uid) ?? { inbound: [], outbound: [] } } : {}),
        },
      ]),
    ),
  };
  return JSON.stringify(sorted(dump), null, 2);
}

function describeCertificate({ identity, state, certificate }: CertificateState): unknown {
  return {
    identity,
    state,
    certChain: splitPem(certificate?.material.chainPem ?? '').map(describePem),
    rootCerts: (certificate?.material.rootsPem ?? []).flatMap((pem) => splitPem(pem)).map(describePem),
  };
}

function describePem(pem: string): unknown {
  const certificate = new X509Certificate(pem);
  return {
    expirationTime: seconds(certificate.validToDate),
    pem: Buffer.from(pem).toString('base64'),
    serialNumber: BigInt(`0x${certificate.serialNumber.replace('-', '')}`).toString(),
    validFrom: seconds(certificate.validFromDate),
  };
}

function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?/g) ?? [];
}

function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** The same value with the keys of all maps in order. */
function sorted(value: unknown): unknown {
  if (value instanceof Tagged) return sorted(value.toJSON());
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}
