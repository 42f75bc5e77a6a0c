import { createNodeEngine, type Engine } from '@ambientmesh/hbone';
import { createReactorEngine, selfTest } from '@ambientmesh/reactor';
import type { SynchronousEngine } from './synchronous-engine.ts';

/** What carries the connections of a data thread: epoll and OpenSSL by FFI, or Node's own sockets. */
export type EngineName = 'reactor' | 'node';

/** Makes the reactor and has it test itself. Throws what keeps it from being used. */
export type OpenReactor = (limits: ReactorLimits) => SynchronousEngine;

/** Who makes the records of TLS behind the handshake, which is OpenSSL's: the reactor, or OpenSSL too. */
export type TlsRecords = 'own' | 'openssl';

/** What a reactor of a data thread may use, and how. */
export interface ReactorLimits {
  /** Of slabs in which unsent bytes wait. */
  readonly slabBytes: number;
  /** Accepted connections have descriptors below. */
  readonly descriptorLimit: number;
  readonly records: TlsRecords;
}

/** `reason`: why it is not the one that was asked for; empty if it is. */
export type ChosenEngine =
  | { readonly name: 'reactor'; readonly engine: SynchronousEngine; readonly reason: '' }
  | { readonly name: 'node'; readonly engine: Engine; readonly reason: string };

/** Characters of a reason: it is a label of a metric too. */
const MAX_REASON_LENGTH = 200;

const openTested: OpenReactor = (limits) => {
  selfTest({ records: limits.records });
  return createReactorEngine(limits);
};

/** The engine that was asked for; in place of a reactor that does not work here, the node engine. */
export function chooseEngine(
  wanted: EngineName,
  limits: ReactorLimits,
  openReactor: OpenReactor = openTested,
): ChosenEngine {
  if (wanted === 'node') return { name: 'node', engine: createNodeEngine(), reason: '' };
  try {
    return { name: 'reactor', engine: openReactor(limits), reason: '' };
  } catch (error) {
    return { name: 'node', engine: createNodeEngine(), reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.slice(0, MAX_REASON_LENGTH) || 'unknown';
}
